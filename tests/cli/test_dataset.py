"""`loopwright dataset`: what versions there are, how they came to be, and whether they hold."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from loopwright.clock import SystemClock
from loopwright.disk import Disk
from loopwright.lake.audit import AuditLog
from support.local_worlds import Loopwright

DATASETS = ".loopwright/default/datasets"


def test_a_list_has_a_line_for_every_version(loopwright: Loopwright) -> None:
    code, out, _ = loopwright("dataset", "list")
    header, *rows = out.splitlines()
    assert code == 0
    assert header.split() == ["DATASET", "VERSION", "ROWS", "TOKENS", "DIGEST", "MADE", "(UTC)"]
    assert [row.split()[:3] for row in rows] == [["set", "v1", "8"], ["set", "v2", "12"]]
    assert max(len(row) for row in out.splitlines()) <= 80


def test_a_version_is_told_from_the_population_to_its_lines(loopwright: Loopwright) -> None:
    _, out, _ = loopwright("dataset", "show", "set@v1")
    words = [row.split() for row in out.splitlines()]
    assert words[0][:2] == ["set", "v1"]
    assert words[0][-2:] == ["lake", "main"]
    told = {row[0]: row[1] for row in words[1:]}
    assert (told["population"], told["matched"], told["kept"]) == ("31", "31", "8")
    assert "drawn: count 8" in out
    for dimension in ("endpoint", "version", "length", "hour", "tools", "language"):
        assert f"  {dimension:<11} like the population (distance 0." in out

    _, newest, _ = loopwright("dataset", "show", "set")
    assert newest.startswith("set v2")
    assert "since v1    4 calls came, 0 went" in newest

    _, text, _ = loopwright("dataset", "show", "set@1", "--json")
    data = json.loads(text)
    assert data["rows"] == len(data["lines"]) == sum(data["split"]["lines"].values()) == 8
    assert data["sampled"] == data["rows"] + sum(data["dropped"].values())


def test_lines_are_shown_only_with_a_line_in_the_audit_log(
    loopwright: Loopwright, project: Path
) -> None:
    _, out, _ = loopwright("dataset", "show", "set@v2", "--sample", "3")
    assert [set(json.loads(row)) for row in out.splitlines()] == [{"messages"}] * 3
    log = AuditLog(project / "lake/audit/opens.jsonl", clock=SystemClock(), disk=Disk())
    opening = log.openings()[-1]
    assert (opening.purpose, opening.rows) == ("show dataset set v2", 3)
    assert opening.query == {"dataset": "set", "version": 2, "lines": 3}

    loopwright("state", "rm", "Lake/main")
    code, out, err = loopwright("dataset", "show", "set@v2", "--sample", "3")
    assert (code, out) == (1, "")
    assert "its lake is not recorded here" in err


def test_a_sound_version_is_built_again_to_the_same_digest(loopwright: Loopwright) -> None:
    code, out, _ = loopwright("dataset", "verify", "set@v1")
    assert code == 0
    assert "set v1 is as it was built: 8 lines, and Lake/main gives the same again." in out
    _, listed, _ = loopwright("dataset", "list", "--json")
    assert json.loads(listed)[0]["digest"] in out


def test_a_changed_line_and_a_changed_manifest_are_named(
    loopwright: Loopwright, project: Path
) -> None:
    folder = project / DATASETS / "set/v2"
    train = folder / "train.jsonl"
    lines = train.read_bytes().splitlines(keepends=True)
    train.write_bytes(b"".join([lines[0], lines[1].replace(b"answer", b"Answer"), *lines[2:]]))
    code, out, _ = loopwright("dataset", "verify", "set")
    assert code == 1
    assert "set v2: train.jsonl line 2: changed (call " in out
    assert "set v2 is not what was built: 1 finding." in out

    manifest = folder / "manifest.json"
    manifest.write_bytes(manifest.read_bytes().replace(b'"kept":12', b'"kept":13'))
    code, _, err = loopwright("dataset", "verify", "set")
    assert code == 1
    assert "was changed after it was written" in err
    assert loopwright("dataset", "verify", "set@v1")[0] == 0


def test_without_its_lake_a_version_is_checked_but_not_built_again(
    loopwright: Loopwright,
) -> None:
    loopwright("state", "rm", "Lake/main")
    code, out, err = loopwright("dataset", "verify", "set")
    assert code == 0
    assert "gives the same again" not in out
    assert "is not recorded here: nothing was built again" in err


def test_two_versions_are_compared_call_by_call(loopwright: Loopwright) -> None:
    code, out, _ = loopwright("dataset", "diff", "set@v1", "set@v2")
    assert code == 0
    assert "4 calls came, 0 went, 0 give another line, 8 are as before" in out
    assert "sampling.count: 8 -> 12" in out
    assert sum(row.startswith("  + imp-") for row in out.splitlines()) == 4
    _, text, _ = loopwright("dataset", "diff", "set@v2", "set@v1", "--json")
    back = json.loads(text)
    assert (len(back["removed"]), back["added"], back["kept"]) == (4, [], 8)


def test_what_is_not_there_is_named_with_what_is(loopwright: Loopwright) -> None:
    for asked, told, hint in (
        ("sett", "there is no dataset 'sett'", "did you mean set?"),
        ("set@v9", "has no version 9", "v1, v2"),
        ("set@new", "names no version", "NAME@v2"),
    ):
        code, _, err = loopwright("dataset", "show", asked)
        assert code == 1
        assert told in err
        assert hint in err


def test_a_project_without_datasets_says_so(loopwright: Loopwright, project: Path) -> None:
    shutil.rmtree(project / ".loopwright")
    code, out, err = loopwright("dataset", "list")
    assert (code, out) == (0, "")
    assert "There are no dataset versions on this machine yet." in err
