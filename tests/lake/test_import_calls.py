"""Importing files: everything once, in any order, over any interruption; bad lines named."""

from __future__ import annotations

import gzip
import os
import signal
import subprocess
import sys
import time
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import orjson
import pytest
from lake_world import MASTER, CrashError, CrashingDisk, QuickDisk, ids, new_lake, table

from loopwright.errors import LakeError
from loopwright.lake import importing, jsonl
from loopwright.lake.importing import ImportProgress, import_calls
from loopwright.lake.settings import Retention
from loopwright.lake.store import Lake

EPOCH_COLUMNS = ["call_id", "ts", "endpoint", "request", "response", "input_tokens", "model"]


def line(number: int, **more: Any) -> bytes:
    messages = [
        {"role": "user", "content": f"question {number}"},
        {"role": "assistant", "content": f"answer {number}"},
    ]
    return orjson.dumps({"messages": messages, "created": number, "model": "m"} | more) + b"\n"


def write(path: Path, *lines: bytes) -> Path:
    path.write_bytes(b"".join(lines))
    return path


def content(lake: Lake) -> list[dict[str, Any]]:
    rows = table(lake.snapshot(), EPOCH_COLUMNS).to_pylist()
    return sorted(rows, key=lambda row: str(row["call_id"]))


def test_the_same_file_twice_adds_nothing(tmp_path: Path) -> None:
    lake = new_lake(tmp_path / "lake")
    path = write(tmp_path / "a.jsonl", *map(line, range(5)))
    first = import_calls(lake, [path])
    assert (first.read, first.added, first.duplicates, first.bad_total) == (5, 5, 0, 0)
    assert (first.first_seq, first.last_seq) == (1, 5)
    again = import_calls(lake, [path, path])
    assert (again.read, again.added, again.duplicates, again.first_seq) == (5, 0, 5, None)
    assert len(ids(lake.snapshot())) == 5


def test_equal_lines_are_calls_of_their_own_within_a_file_and_the_same_across_files(
    tmp_path: Path,
) -> None:
    lake = new_lake(tmp_path / "lake")
    reordered = orjson.dumps(dict(reversed(orjson.loads(line(1)).items()))) + b"\n"
    twice = write(tmp_path / "a.jsonl", line(1), line(2), reordered)
    once = write(tmp_path / "b.jsonl", line(1), line(3))
    assert import_calls(lake, [twice, once]).added == 4


def test_neither_the_order_nor_the_names_nor_gzip_of_files_change_the_lakes_calls(
    tmp_path: Path,
) -> None:
    one = write(tmp_path / "a.jsonl", *map(line, range(4)))
    two = write(tmp_path / "b.jsonl", *map(line, range(3, 8)))
    lakes = [new_lake(tmp_path / f"lake{number}") for number in range(3)]
    import_calls(lakes[0], [one, two])
    import_calls(lakes[1], [two, one])
    assert ids(lakes[0].snapshot()) == ids(lakes[1].snapshot())
    zipped = tmp_path / "all.gz"
    zipped.write_bytes(gzip.compress(two.read_bytes()) + gzip.compress(one.read_bytes()))
    import_calls(lakes[2], [zipped, one, two])
    assert content(lakes[0]) == content(lakes[1])
    # In one file the shared line comes twice, so it is one call more.
    assert len(content(lakes[2])) == len(content(lakes[0])) + 1


def test_bad_lines_are_named_by_number_counted_and_left_out(tmp_path: Path) -> None:
    lake = new_lake(tmp_path / "lake")
    path = write(
        tmp_path / "a.jsonl",
        b"\xef\xbb\xbf" + line(1),
        b"\n",
        b"{not json\n",
        b'"\xff"\n',
        line(2, endpoint=5),
        line(3).rstrip(b"\n"),
    )
    result = import_calls(lake, [path])
    assert (result.read, result.added, result.bad_total) == (5, 2, 3)
    assert [(bad.file, bad.line, bad.reason) for bad in result.bad] == [
        ("a.jsonl", 3, "not valid JSON"),
        ("a.jsonl", 4, "not valid JSON"),
        ("a.jsonl", 5, "endpoint is not text"),
    ]


def test_of_many_bad_lines_all_are_counted_and_some_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", line(1), *[b"{}\n"] * 250)
    result = import_calls(new_lake(tmp_path / "lake"), [path])
    assert (result.bad_total, len(result.bad), result.added) == (250, 100, 1)


def test_a_line_without_end_does_not_fill_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (importing, jsonl):
        monkeypatch.setattr(module, "LONGEST_LINE", 1 << 20)
    path = write(tmp_path / "a.jsonl", line(1), b"x" * (3 << 20) + b"\n", line(2))
    result = import_calls(new_lake(tmp_path / "lake"), [path])
    assert [(bad.line, bad.reason) for bad in result.bad] == [(2, "longer than 1 MiB")]
    assert result.added == 2


@pytest.mark.parametrize("keep", [-20, 40])
def test_a_cut_gzip_gives_what_is_whole_and_names_where_it_ends(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(b"".join(map(line, range(2000))))[:keep])
    result = import_calls(new_lake(tmp_path / "lake"), [path])
    (bad,) = result.bad
    assert bad.reason == "the gzip data is cut or damaged"
    assert bad.line == result.added + 1


def test_a_call_without_time_gets_its_place_and_without_endpoint_the_given_one(
    tmp_path: Path,
) -> None:
    path = write(tmp_path / "a.jsonl", line(7, created=None), line(8, created=None, endpoint="own"))
    lake = new_lake(tmp_path / "lake")
    import_calls(lake, [path], endpoint="given")
    found = table(lake.snapshot(), ["ts", "endpoint"]).to_pylist()
    assert [row["ts"].microsecond for row in found] == [0, 1]
    assert [row["endpoint"] for row in found] == ["given", "own"]
    other = new_lake(tmp_path / "other")
    import_calls(other, [path])
    assert ids(other.snapshot(), endpoints={"imported"}) != []


def test_the_end_user_is_a_keyed_hash_among_the_columns(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", line(1, user="alice"), line(2, user="alice"), line(3))
    subjects = []
    for name in ("one", "two"):
        lake = new_lake(tmp_path / name)
        import_calls(lake, [path])
        subjects.append(table(lake.snapshot(), ["subject_key"])["subject_key"].to_pylist())
    (first, second, third), (elsewhere, _, _) = subjects
    assert first == second != elsewhere
    assert third is None


def test_calls_that_the_lake_keeps_no_more_are_left_out_and_counted(tmp_path: Path) -> None:
    kept = Retention(metadata=timedelta(days=30))
    lake = Lake.create(tmp_path / "lake", master=MASTER, retention=kept)
    now = int(time.time())
    old, new = line(1, created=now - 90 * 86_400), line(2, created=now - 86_400)
    for added in (1, 0):
        found = import_calls(lake, [write(tmp_path / "a.jsonl", old, new, old)])
        assert (found.read, found.added, found.bad_total) == (3, added, 0)
        assert found.no_calls == {"older than the lake keeps calls": 2}


def test_progress_counts_bytes_up_to_all_of_them(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", *map(line, range(50)))
    seen: list[ImportProgress] = []
    import_calls(new_lake(tmp_path / "lake"), [path], progress=seen.append)
    assert seen[-1].bytes_done == seen[-1].bytes_total == path.stat().st_size
    assert (seen[-1].read, seen[-1].added) == (50, 50)


def test_a_file_that_cannot_be_read_is_named_before_anything_is_imported(tmp_path: Path) -> None:
    lake = new_lake(tmp_path / "lake")
    path = write(tmp_path / "a.jsonl", line(1))
    with pytest.raises(LakeError, match=r"missing\.jsonl"):
        import_calls(lake, [path, tmp_path / "missing.jsonl"])
    assert not ids(lake.snapshot())
    with pytest.raises(LakeError, match="endpoint name"):
        import_calls(lake, [path], endpoint="x" * 300)


def test_an_import_that_died_at_any_step_is_finished_by_running_it_again(
    tmp_path: Path,
) -> None:
    path = write(tmp_path / "a.jsonl", *map(line, range(8)))
    whole = new_lake(tmp_path / "whole")
    import_calls(whole, [path], batch_rows=3)
    assert len(whole.manifest.head().files) == 3
    for die_at in count(1, 3):
        root = tmp_path / str(die_at)
        new_lake(root)
        try:
            import_calls(new_lake(root, disk=CrashingDisk(die_at)), [path], batch_rows=3)
        except CrashError:
            import_calls(new_lake(root, disk=QuickDisk()), [path])
            assert content(new_lake(root)) == content(whole), f"died at step {die_at}"
            assert ids(new_lake(root).snapshot()) == ids(whole.snapshot())
        else:
            break
    assert die_at > 10


def test_a_killed_importing_process_is_finished_by_running_it_again(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", *map(line, range(20_000)))
    root = tmp_path / "lake"
    new_lake(root)
    script = (
        "import sys; from pathlib import Path\n"
        "from loopwright.lake.importing import import_calls\n"
        "from loopwright.lake.keys import MasterKey; from loopwright.lake.store import Lake\n"
        "lake = Lake.open(Path(sys.argv[1]), master=MasterKey(bytes([7]) * 32))\n"
        "import_calls(lake, [Path(sys.argv[2])], batch_rows=500)\n"
    )
    child = subprocess.Popen([sys.executable, "-c", script, str(root), str(path)])
    try:
        while not any((root / "manifest").glob("*3.json")) and child.poll() is None:
            time.sleep(0.01)
    finally:
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
    lake = Lake.open(root, master=MASTER)
    before = len(ids(lake.snapshot()))
    assert 0 < before < 20_000
    assert before % 500 == 0
    result = import_calls(lake, [path])
    assert (result.added, result.duplicates) == (20_000 - before, before)
    assert len(set(ids(lake.snapshot()))) == 20_000
