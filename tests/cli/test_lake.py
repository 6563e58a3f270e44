"""`loopwright lake`: what lies in a lake, whether it is whole, and merging its small files."""

from __future__ import annotations

import json
from pathlib import Path

from loopwright.cli import run
from loopwright.planning.render.width import display_width
from support.local_worlds import Loopwright, line, write_lines


def test_a_lake_is_told_by_day_and_endpoint_in_straight_columns(loopwright: Loopwright) -> None:
    code, out, _ = loopwright("lake", "status")
    head, _, rows = out.partition("\n\n")
    assert code == 0
    assert head.startswith("Lake/main  in lake\n  calls       31 in 2 files")
    columns = {display_width(row.partition(size)[0]) for row, size in _sizes(rows)}
    assert len(columns) == 1
    assert [row.split()[1:3] for row in rows.splitlines()[1:]] == [
        ["chat", "11"],
        ["客服聊天", "20"],
    ]

    _, text, _ = loopwright("lake", "status", "main", "--json")
    (told,) = json.loads(text)
    assert (told["calls"], told["lastSeq"], told["visibleSeq"]) == (31, 31, 31)
    assert {part["endpoint"]: part["rows"] for part in told["partitions"]} == {
        "chat": 11,
        "客服聊天": 20,
    }
    assert len(told["keyIds"]) == 2


def test_a_sound_lake_verifies_and_a_damaged_file_is_named(
    loopwright: Loopwright, project: Path
) -> None:
    code, out, _ = loopwright("lake", "verify", "Lake/main")
    assert (code, out) == (0, "Lake/main is as it was written: 2 files, 31 calls.\n")
    path = next((project / "lake/calls").rglob("*.parquet"))
    path.write_bytes(path.read_bytes()[:-1])
    code, out, _ = loopwright("lake", "verify")
    assert code == 1
    assert path.name in out


def test_merging_changes_no_dataset(loopwright: Loopwright, project: Path) -> None:
    assert "nothing to merge" in loopwright("lake", "compact")[1]
    write_lines(project / "calls.jsonl", (line(n) for n in range(100, 103)))
    all_yaml = project / "all.yaml"
    run(["apply", str(all_yaml), "--project", str(project), "--yes", "--wait"])
    loopwright("lake", "status")
    assert "2 files became 1, with 14 calls in them." in loopwright("lake", "compact")[1]
    assert loopwright("lake", "verify")[0] == 0
    assert loopwright("dataset", "verify", "set@v1")[0] == 0


def test_an_unknown_lake_is_told_with_those_there_are(loopwright: Loopwright) -> None:
    code, _, err = loopwright("lake", "verify", "mian")
    assert code == 1
    assert "there is no lake 'mian' here" in err
    assert "main" in err.splitlines()[1]
    loopwright("state", "rm", "Lake/main")
    assert "make one with `loopwright apply`" in loopwright("lake", "compact")[2]
    assert loopwright("lake", "status") == (0, "", "No lake on this machine is recorded.\n")


def _sizes(rows: str) -> list[tuple[str, str]]:
    return [(row, " ".join(row.split()[-2:])) for row in rows.splitlines()[1:]]
