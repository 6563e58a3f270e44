"""Templates and their headers, typed values, and the history of what was run."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopwright.errors import SqlError
from loopwright.lake.sql.history import History, Ran
from loopwright.lake.sql.parameters import Parameter, ParameterType
from loopwright.lake.sql.request import Limits, Request
from loopwright.lake.sql.templates import Templates, parse

HEADER = """-- Finds things.
-- In two lines.
-- param since date = 2026-01-31 -- The first day.
-- param words text = 'a = b -- c' -- What is looked for.
-- param share number = 0.5
-- param all boolean = false
-- param at timestamp = 2026-01-31T09:00Z -- When.
-- param top integer -- How many.
SELECT 1 -- param ignored integer = 1
"""


def test_a_header_tells_what_a_query_is_and_takes() -> None:
    template = parse(HEADER, name="find")
    assert template.about == "Finds things. In two lines."
    assert template.parameters == (
        Parameter("since", ParameterType.DATE, date(2026, 1, 31), "The first day."),
        Parameter("words", ParameterType.TEXT, "a = b -- c", "What is looked for."),
        Parameter("share", ParameterType.NUMBER, 0.5),
        Parameter("all", ParameterType.BOOLEAN, False),
        Parameter("at", ParameterType.TIMESTAMP, datetime(2026, 1, 31, 9, tzinfo=UTC), "When."),
        Parameter("top", ParameterType.INTEGER, None, "How many."),
    )
    values = template.values({"top": "3", "all": "TRUE"})
    assert (values["top"], values["all"], values["since"]) == (3, True, date(2026, 1, 31))


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("-- param x", "line 1 of q.sql is no parameter"),
        ("-- param x integer 5", "line 1 of q.sql is no parameter"),
        ("-- param x whole = 5", "line 1 of q.sql has an unknown type 'whole'"),
        ("-- param x integer = five", "line 1 of q.sql: the parameter x is an integer, not 'five'"),
    ],
)
def test_a_wrong_header_is_told_by_its_line(line: str, told: str) -> None:
    with pytest.raises(SqlError, match=told):
        parse(f"{line}\nSELECT $x", name="q", source="q.sql")


@given(text=st.one_of(st.text(max_size=200), st.text(max_size=50).map("-- param ".__add__)))
def test_any_text_is_a_query_or_a_told_error(text: str) -> None:
    try:
        template = parse(text, name="q")
    except SqlError:  # told by its line, see above
        return
    assert template.query == text


def test_a_damaged_file_spoils_no_other_template(tmp_path: Path) -> None:
    (tmp_path / "bad.sql").write_bytes(b"-- \xff")
    templates = Templates(tmp_path)
    assert templates.get("error-rate").source == ""
    with pytest.raises(SqlError, match=r"cannot read .*bad\.sql"):
        templates.get("bad")
    with pytest.raises(SqlError, match="there is no template"):
        templates.get("../bad")


_VALUES = st.one_of(
    st.text(max_size=20),
    st.integers(-(1 << 63), (1 << 63) - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.dates(),
    st.datetimes(timezones=st.just(UTC)),
)


@given(query=st.text(max_size=50), parameters=st.dictionaries(st.text(max_size=5), _VALUES))
def test_a_request_comes_through_the_pipe_as_it_was(
    query: str, parameters: dict[str, object]
) -> None:
    request = Request(
        query=query,
        relations=(),
        limits=Limits(seconds=None),
        parameters=parameters,  # type: ignore[arg-type]
        only=("a", "b"),
    )
    line = request.to_line()
    assert line.count(b"\n") == 1
    assert Request.from_line(line) == request


def test_a_torn_line_of_the_history_is_left_out_and_numbers_stay(tmp_path: Path) -> None:
    history = History(tmp_path / "sql" / "history.jsonl")
    ran = Ran(at="2026-01-01T00:00:00Z", who="li", lake="main", query="SELECT 1")
    for _ in range(3):
        history.add(ran)
    lines = history.path.read_bytes().splitlines(keepends=True)
    history.path.write_bytes(lines[0] + lines[1][:20] + b"\n" + lines[2])
    assert list(history.all()) == [1, 3]
    assert history.get(3) == ran
    with pytest.raises(SqlError, match="no query has the number 2"):
        history.get(2)
    assert history.path.stat().st_mode & 0o077 == 0
