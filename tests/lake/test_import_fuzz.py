"""Whatever is in a file, an import ends with counts: damaged lines never end it."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import suppress
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from lake_world import new_lake
from vendor_lines import CALLS

from loopwright.lake import importing
from loopwright.lake.batch import Batch
from loopwright.lake.importing import ImportResult, import_calls
from loopwright.lake.ingest import AppendResult
from loopwright.lake.looking import UnknownFormatError, look
from loopwright.lake.store import Lake

DEEP = {f"nested {depth}": b"[" * depth + b"]" * depth for depth in (250, 254, 1000, 1100)}
"""What stands in a line for lists in lists, deeper than Python likes to walk."""
QUICK = (Phase.explicit, Phase.reuse, Phase.generate)  # a damaged line is told as it is
NUMBERS = st.sampled_from([0, -1, 1 << 31, (1 << 63) - 1, -(1 << 63), 1e308, -0.5, True])
WORDS = st.one_of(
    st.text(max_size=8),
    st.sampled_from(["{", '{"a":', '[{"role":"user"}]', "user", "GENERATION", "1969-01-01", "[]"]),
)
JUNK = st.recursive(
    st.one_of(st.none(), NUMBERS, WORDS, st.sampled_from(sorted(DEEP))),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(WORDS, inner, max_size=3)),
    max_leaves=4,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of everything inside a line."""
    inner = value.items() if isinstance(value, dict) else ()
    for key, found in enumerate(value) if isinstance(value, list) else inner:
        yield (*path, key)
        yield from places(found, (*path, key))


@st.composite
def damaged(draw: st.DrawFn, line: dict[str, Any]) -> dict[str, Any]:
    """The line with a few places replaced or taken away."""
    found = deepcopy(line)
    for _ in range(draw(st.integers(1, 3))):
        paths = list(places(found))
        *way, last = draw(st.sampled_from(paths))
        within = found
        for key in way:
            within = within[key]
        if draw(st.booleans()):
            within[last] = draw(JUNK)
        else:
            del within[last]
        if not found:
            break
    return found


def written(line: Any) -> bytes:
    found = orjson.dumps(line)
    for words, lists in DEEP.items():
        found = found.replace(b'"%s"' % words.encode(), lists)
    return found


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    """One that takes batches as they are, columns made and checked, and writes nothing."""

    def taken(_: Lake, calls: Batch) -> AppendResult:
        return AppendResult(calls.rows, 0, 1, calls.rows)

    monkeypatch.setattr(importing, "append", taken)
    return new_lake(tmp_path / "lake")


@cache
def lines_of(name: str) -> tuple[bytes, ...]:
    return tuple(map(orjson.dumps, CALLS[name]))


@pytest.mark.parametrize("name", sorted(CALLS))
@given(data=st.data())
@settings(
    max_examples=20,
    deadline=None,
    phases=QUICK,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_a_damaged_line_is_a_call_or_counted(
    lake: Lake, tmp_path: Path, name: str, data: st.DataObject
) -> None:
    bad = [
        written(data.draw(damaged(line)))
        for line in CALLS[name]
        for _ in range(6 // len(CALLS[name]))
    ]
    path = tmp_path / "damaged.jsonl"
    path.write_bytes(b"\n".join([*lines_of(name), *bad]))
    found = look(path, format=name)
    assert found.calls + found.left_out.total() == found.lines
    assert_counted(import_calls(lake, [path], format=name), lines=len(lines_of(name)) + len(bad))


@pytest.mark.parametrize("name", sorted(CALLS))
@given(
    data=st.data(),
    junk=st.binary(max_size=40),
    pack=st.booleans(),
    pages=st.booleans(),
)
@settings(
    max_examples=20,
    deadline=None,
    phases=QUICK,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_damaged_bytes_never_end_an_import_but_by_saying_so(
    lake: Lake, tmp_path: Path, name: str, data: st.DataObject, junk: bytes, pack: bool, pages: bool
) -> None:
    plain = orjson.dumps({"data": CALLS[name]}) if pages else b"\n".join(lines_of(name))
    content = gzip.compress(plain, mtime=0) if pack else plain
    start = data.draw(st.integers(0, len(content)))
    end = data.draw(st.integers(start, len(content)))
    path = tmp_path / "damaged"
    path.write_bytes(content[:start] + junk + content[end:])
    with suppress(UnknownFormatError):
        result = import_calls(lake, [path])
        assert_counted(result, lines=result.read)


def assert_counted(result: ImportResult, *, lines: int) -> None:
    no_calls = sum(result.no_calls.values())
    assert result.read == lines
    assert result.added + result.duplicates + result.bad_total + no_calls == lines
