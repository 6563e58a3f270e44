"""Erasing a subject: its rows go with the feedback on them, never come back, and it can resume."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Any

import pytest
from lake_world import MASTER, CrashError, CrashingDisk, QuickDisk, calls, ids, new_lake

from loopwright.disk import Disk
from loopwright.errors import LakeKeyError
from loopwright.lake.erasing.erasure import (
    Share,
    erase,
    finish,
    journals,
    resume,
    trace,
    unfinished,
)
from loopwright.lake.ingest import append, append_feedback
from loopwright.lake.keys import Role
from loopwright.lake.store import Lake
from support.sweeps import EVERY

ALICE = "alice@example.com"
HERS = ["call-2", "call-5", "call-11"]


def on(call: str) -> dict[str, Any]:
    return {
        "feedback_id": f"on-{call}",
        "call_id": call,
        "ts": 0,
        "name": "note",
        "kind": "comment",
        "source": "human",
        "text": f"about {call}",
    }


def filled(root: Path, disk: Disk | None = None) -> Lake:
    lake = new_lake(root, disk=disk or QuickDisk())
    alice = lake.hash_keys.subject_key(ALICE)
    bob = lake.hash_keys.subject_key("bob")
    append(lake, calls(1, 3, 4, subject_key=bob) + calls(2, 5, 11, subject_key=alice))
    append(lake, calls(6))
    append_feedback(lake, [on("call-1"), on("call-2")])
    return lake


def as_admin(root: Path, disk: Disk | None = None) -> Lake:
    return Lake.open(root, master=MASTER, role=Role.ADMIN, disk=disk or QuickDisk())


def test_a_subject_is_found_by_the_metadata_key_alone(tmp_path: Path) -> None:
    filled(tmp_path)
    reader = Lake.open(tmp_path, master=MASTER, role=Role.READER)
    found = trace(reader, ALICE)
    assert sorted(found.call_ids) == sorted(HERS)
    assert found.shares == (
        Share("calls", "1970-01-01", "chat", rows=2, of=6),
        Share("calls", "1970-01-02", "chat", rows=1, of=1),
        Share("feedback", "1970-01-01", "chat", rows=1, of=2),
    )
    assert trace(reader, "nobody").call_ids == frozenset()


def test_rows_and_feedback_go_and_the_receipt_names_nobody(tmp_path: Path) -> None:
    filled(tmp_path)
    lake = as_admin(tmp_path)
    journal = erase(lake, ALICE)
    assert journal.calls == tuple(sorted(HERS))
    finish(lake, journal)
    assert sorted(ids(lake.snapshot())) == ["call-1", "call-3", "call-4", "call-6"]
    assert lake.status().feedback == 1
    assert trace(lake, ALICE).shares == ()
    (receipt,) = journals(lake)
    assert (receipt.done, receipt.calls, receipt.removed) == (True, (), {"calls": 3, "feedback": 1})
    said = b"".join(path.read_bytes() for path in (tmp_path / "erasures").iterdir())
    assert not [word for word in (ALICE, *HERS) if word.encode() in said]
    assert lake.verify() == []


def test_erased_calls_do_not_come_back(tmp_path: Path) -> None:
    filled(tmp_path)
    lake = as_admin(tmp_path)
    finish(lake, erase(lake, ALICE))
    again = append(lake, calls(2, 5, 7))
    late = append_feedback(lake, [on("call-2") | {"feedback_id": "late"}, on("call-3")])
    assert (again.added, again.duplicates, late.added) == (1, 2, 1)
    assert not set(HERS) & set(ids(lake.snapshot()))


@pytest.mark.parametrize("role", [Role.READER, Role.STANDARD])
def test_only_an_admin_erases(tmp_path: Path, role: Role) -> None:
    filled(tmp_path)
    with pytest.raises(LakeKeyError, match=f"role {role} may not erase"):
        erase(Lake.open(tmp_path, master=MASTER, role=role), ALICE)
    assert len(ids(as_admin(tmp_path).snapshot())) == 7


@EVERY
def test_an_erasure_that_died_at_any_step_is_finished_without_the_subjects_id(
    tmp_path: Path, every: int
) -> None:
    for die_at in count(1, every):
        root = tmp_path / str(die_at)
        filled(root)
        disk = CrashingDisk()
        lake = as_admin(root, disk)
        disk.die_at = die_at
        try:
            erase(lake, ALICE)
            break
        except CrashError:
            pass
        again = as_admin(root)
        begun = unfinished(again)
        for journal in resume(again):
            assert set(journal.calls) == set(HERS), f"died at step {die_at}"
            assert journal.removed == {"calls": 3, "feedback": 1}
            finish(again, journal)
        if not begun:
            finish(again, erase(again, ALICE))
        assert sorted(ids(again.snapshot())) == ["call-1", "call-3", "call-4", "call-6"]
        assert unfinished(again) == []
        assert again.verify() == []
        assert len(again.keys.ids_of_partitions()) == 2
