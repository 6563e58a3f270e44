"""Feedback is a second table of the lake: sealed, counted, cut and merged together with calls."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import orjson
import pytest
from lake_world import MARKER, MASTER, QuickDisk, all_bytes, call, calls, ids, new_lake

from loopwright.errors import LakeError, LakeKeyError
from loopwright.lake.compaction import compact
from loopwright.lake.feedback_columns import COLUMNS
from loopwright.lake.files import FileManifest
from loopwright.lake.ingest import append, append_feedback
from loopwright.lake.keys import Role
from loopwright.lake.store import Lake, Snapshot


def row(number: int, **columns: Any) -> dict[str, Any]:
    return {
        "feedback_id": f"feedback-{number}",
        "call_id": f"call-{number}",
        "ts": 1_700_000_000_000_000 + number,
        "name": "helpful",
        "kind": "bool",
        "value_bool": number % 2 == 0,
        "source": "human",
    } | columns


def held(snapshot: Snapshot, *columns: str) -> list[dict[str, Any]]:
    """The rows of feedback in the order of their ingest."""
    found = [
        one
        for batch in snapshot.feedback([*columns, "seq"], purpose="test")
        for one in batch.to_pylist()
    ]
    ordered = sorted(found, key=lambda one: one["seq"])
    return [{name: one[name] for name in columns} for one in ordered]


def test_feedback_lies_beside_calls_under_one_sequence_and_one_cut(tmp_path: Path) -> None:
    lake = new_lake(tmp_path)
    append(lake, calls(1, 2))
    first = append_feedback(lake, [row(1), row(2, kind="float", value_num=0.25)])
    cut = lake.snapshot()
    append(lake, calls(3))
    append_feedback(lake, [row(3, kind="label", value_label="good")])
    assert (first.first_seq, first.last_seq, lake.manifest.head().last_seq) == (3, 4, 6)
    assert ids(cut) == ["call-1", "call-2"]
    assert held(cut, "call_id", "endpoint", "value_num") == [
        {"call_id": "call-1", "endpoint": "chat", "value_num": None},
        {"call_id": "call-2", "endpoint": "chat", "value_num": 0.25},
    ]
    now = lake.status()
    assert (now.calls, now.feedback, lake.verify()) == (3, 3, [])
    assert len(held(lake.snapshot(), *COLUMNS)) == 3


def test_the_same_feedback_twice_is_one_row(tmp_path: Path) -> None:
    lake = new_lake(tmp_path)
    append_feedback(lake, [row(1), row(1)])
    result = append_feedback(lake, [row(1), row(2)])
    assert (result.added, result.duplicates) == (1, 1)
    assert lake.status().feedback == 2


def test_feedback_on_a_call_that_is_not_here_is_kept(tmp_path: Path) -> None:
    lake = new_lake(tmp_path)
    append_feedback(lake, [row(1), row(2, endpoint="chat")])
    endpoints = [one["endpoint"] for one in held(lake.snapshot(), "endpoint")]
    assert endpoints == ["unknown", "chat"]


def test_text_of_feedback_is_sealed_and_its_openings_are_recorded(tmp_path: Path) -> None:
    lake = new_lake(tmp_path)
    answer = orjson.dumps({"role": "assistant", "content": MARKER}).decode()
    append_feedback(
        lake,
        [row(1, kind="correction", text=answer), row(2, kind="comment", text=f"see {MARKER}")],
    )
    assert not [path for path, content in all_bytes(tmp_path) if MARKER.encode() in content]
    assert held(lake.snapshot(), "text")[0] == {"text": answer}
    (opening,) = lake.audit.openings()
    assert (opening.purpose, opening.rows) == ("test", 2)
    reader = Lake.open(tmp_path, master=MASTER, role=Role.READER)
    assert len(held(reader.snapshot(), "name", "kind")) == 2
    with pytest.raises(LakeKeyError, match="may not open"):
        list(reader.snapshot().feedback(["text"]))


def test_feedback_is_merged_and_an_older_snapshot_still_finds_it(tmp_path: Path) -> None:
    lake = new_lake(tmp_path)
    append_feedback(lake, [row(1), row(2)])
    before = lake.snapshot()
    append_feedback(lake, [row(3)])
    append(lake, calls(1))
    assert compact(lake).merged_files == 2
    assert [one["call_id"] for one in held(before, "call_id")] == ["call-1", "call-2"]
    assert len(held(lake.snapshot(), "call_id")) == 3
    assert lake.verify() == []


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"kind": "stars"}, "the kind 'stars'"),
        ({"source": "nobody"}, "the source 'nobody'"),
        ({"kind": "float"}, "no value_num"),
        ({"kind": "float", "value_num": float("nan")}, "value nan"),
        ({"kind": "correction", "text": "just text"}, "assistant message"),
        ({"name": ""}, "no name"),
        ({"colour": "red"}, "columns colour"),
        ({"value_bool": "yes"}, "value_bool"),
    ],
)
def test_what_is_no_feedback_is_refused_and_nothing_is_added(
    tmp_path: Path, wrong: dict[str, Any], says: str
) -> None:
    lake = new_lake(tmp_path)
    with pytest.raises(LakeError, match=says):
        append_feedback(lake, [row(1), row(2, **wrong)])
    assert lake.manifest.head().last_seq == 0


def test_a_lake_of_before_there_was_feedback_reads_and_takes_it(tmp_path: Path) -> None:
    """Its commits name no table and no keys, and it has no folder for feedback."""
    lake = new_lake(tmp_path)
    append(lake, calls(1))
    commit = tmp_path / "manifest" / "000000000001.json"
    body = orjson.loads(commit.read_bytes())
    for file in body["added"]:
        del file["table"], file["key_id"]
    body["seal"] = FileManifest._seal(lake.manifest, body)
    commit.write_bytes(orjson.dumps(body))
    (tmp_path / "manifest-head.json").unlink()
    shutil.rmtree(tmp_path / "feedback")
    old = Lake.open(tmp_path, master=MASTER, disk=QuickDisk())
    append_feedback(old, [row(1)])
    append(old, [call(2)])
    assert compact(old).merged_files == 2
    assert ids(old.snapshot()) == ["call-1", "call-2"]
    assert held(old.snapshot(), "endpoint") == [{"endpoint": "chat"}]
    assert old.verify() == []
