"""Inference datasets: small lakes of chosen calls that hash, read and sample like their source."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from lake import lake_world as made
from loopwright.errors import LakeError, LakeKeyError
from loopwright.lake.columns import COLUMNS, METADATA_COLUMNS
from loopwright.lake.exports import inference
from loopwright.lake.exports.inference import Chosen, make
from loopwright.lake.ingest import append, append_feedback
from loopwright.lake.keys import Role
from loopwright.lake.store import Lake

IDS = [f"call-{n}" for n in range(0, 40, 3)]


@pytest.fixture
def source(tmp_path: Path) -> Lake:
    lake = made.new_lake(tmp_path / "lake")
    for start in (0, 20):
        append(lake, made.calls(*range(start, start + 20), subject_key=7))
    feedback = {
        "ts": 5,
        "endpoint": "chat",
        "name": "helpful",
        "kind": "comment",
        "source": "human",
        "text": f"{made.MARKER} said so",
    }
    append_feedback(
        lake, [{**feedback, "feedback_id": f"f{n}", "call_id": f"call-{n}"} for n in (3, 4)]
    )
    return lake


def chosen(lake: Lake, *fields: str) -> Chosen:
    return Chosen(lake, lake.snapshot().cut, IDS, fields or None)


def opened(root: Path, role: Role = Role.STANDARD) -> Lake:
    return Lake.open(root, master=made.MASTER, role=role)


def rows(lake: Lake, columns: list[str]) -> dict[str, dict[str, Any]]:
    batches = lake.snapshot().scan(columns, purpose="test")
    return {row["call_id"]: row for batch in batches for row in batch.to_pylist()}


def test_the_calls_are_whole_and_feedback_comes_along(
    source: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inference, "_MOST", 4)  # several batches, the last one smaller
    result = make(chosen(source), tmp_path / "set", purpose="export")
    copy = opened(result.root)
    columns = [name for name in COLUMNS if name != "seq"]
    expected = {call_id: row for call_id, row in rows(source, columns).items() if call_id in IDS}
    assert rows(copy, columns) == expected
    assert result.rows == len(IDS)
    said = [
        row for batch in copy.snapshot().feedback(["call_id", "text"]) for row in batch.to_pylist()
    ]
    assert said == [{"call_id": "call-3", "text": f"{made.MARKER} said so"}]
    assert copy.lake_id == result.lake_id != source.lake_id
    assert copy.verify() == []


def test_people_and_texts_are_told_by_the_same_hashes(source: Lake, tmp_path: Path) -> None:
    copy = opened(make(chosen(source), tmp_path / "set", purpose="export").root)
    assert copy.hash_keys.subject_key("li") == source.hash_keys.subject_key("li")
    assert copy.hash_keys.content_hash(b"x") == source.hash_keys.content_hash(b"x")
    other = made.new_lake(tmp_path / "other")
    assert other.hash_keys.subject_key("li") != source.hash_keys.subject_key("li")


def test_it_lies_encrypted_under_the_master_key(source: Lake, tmp_path: Path) -> None:
    root = make(chosen(source), tmp_path / "set", purpose="export").root
    assert not [path for path, data in made.all_bytes(root) if made.MARKER.encode() in data]
    with pytest.raises(LakeKeyError, match="role reader may not open"):
        rows(opened(root, Role.READER), ["call_id", "request"])


def test_named_fields_are_all_that_is_kept(source: Lake, tmp_path: Path) -> None:
    before = len(source.audit.openings())
    root = make(chosen(source, "model"), tmp_path / "set", purpose="export").root
    assert len(source.audit.openings()) == before
    row = rows(opened(root), list(COLUMNS))["call-3"]
    kept = {name for name, value in row.items() if value not in (None, "")}
    always = {"call_id", "skey", "seq", "ts", "endpoint"}
    assert kept == {*always, "model"}
    with pytest.raises(LakeError, match="calls have no field modle"):
        make(chosen(source, "modle"), tmp_path / "other", purpose="export")


def test_opening_the_text_is_one_line_of_record(source: Lake, tmp_path: Path) -> None:
    before = len(source.audit.openings())
    make(chosen(source), tmp_path / "set", purpose="export to set")
    (opening,) = source.audit.openings()[before:]
    assert (opening.purpose, opening.query["calls"]) == ("export to set", len(IDS))
    assert opening.rows >= len(IDS)


def test_the_digest_tells_calls_and_fields_and_nothing_else(source: Lake, tmp_path: Path) -> None:
    first = make(chosen(source), tmp_path / "a", purpose="export")
    turned = Chosen(source, source.snapshot().cut, IDS[::-1])
    assert make(turned, tmp_path / "b", purpose="export").digest == first.digest
    fewer = Chosen(source, source.snapshot().cut, IDS[1:])
    assert make(fewer, tmp_path / "c", purpose="export").digest != first.digest
    only = chosen(source, *METADATA_COLUMNS)
    assert make(only, tmp_path / "d", purpose="export").digest != first.digest


def test_what_is_there_is_replaced_only_when_it_may_be(source: Lake, tmp_path: Path) -> None:
    root = tmp_path / "set"
    first = make(chosen(source), root, purpose="export")
    with pytest.raises(LakeError, match="already holds something else"):
        make(chosen(source), root, purpose="export")
    assert opened(root).lake_id == first.lake_id
    again = make(chosen(source), root, purpose="export", replaces=True)
    assert opened(root).lake_id == again.lake_id != first.lake_id
    assert {path.name for path in tmp_path.iterdir()} == {"lake", "set"}


def test_one_that_is_killed_at_any_step_is_whole_or_absent_and_then_made(tmp_path: Path) -> None:
    source = made.new_lake(tmp_path / "lake")
    append(source, made.calls(*range(4)))
    root = tmp_path / "out" / "set"
    root.parent.mkdir()
    picked = ["call-1", "call-2"]

    def attempt(disk: Any) -> None:
        lake = Lake.open(source.root, master=made.MASTER, disk=disk)
        lake.audit = source.audit
        make(Chosen(lake, 4, picked), root, purpose="export", replaces=True)

    steps = made.CrashingDisk()
    attempt(steps)
    whole = opened(root).lake_id
    for step in range(1, steps.steps + 1, 3):
        with suppress(made.CrashError):
            attempt(made.CrashingDisk(step))
        if root.exists():
            assert set(rows(opened(root), ["call_id"])) == set(picked)
    attempt(made.QuickDisk())
    assert set(rows(opened(root), ["call_id"])) == set(picked)
    assert opened(root).lake_id != whole
    assert [path.name for path in root.parent.iterdir()] == ["set"]
