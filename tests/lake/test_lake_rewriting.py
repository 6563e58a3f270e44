"""Rewriting lets rows or text go for good: old keys are destroyed, a crash is finished later."""

from __future__ import annotations

import shutil
from datetime import UTC, date, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lake_world import (
    MASTER,
    CrashError,
    CrashingDisk,
    QuickDisk,
    calls,
    data_files,
    ids,
    new_lake,
    table,
)

from loopwright.disk import Disk
from loopwright.errors import LakeError, LakeKeyError
from loopwright.lake.capture.ledger import Ledger
from loopwright.lake.capture.ranges import Ranges
from loopwright.lake.columns import METADATA_COLUMNS
from loopwright.lake.compaction import compact
from loopwright.lake.erasing.clearing import clear
from loopwright.lake.erasing.retention import Enforced, enforce
from loopwright.lake.erasing.rewriting import Rewritten, Treatment, rewrite
from loopwright.lake.ingest import append, append_feedback
from loopwright.lake.keys import Role
from loopwright.lake.store import Lake

FIRST, SECOND = [1, 2, 3], [4, 5, 11]  # 11 lies in another partition
CHAT = "dt=1970-01-01/endpoint=chat"
ERASED = frozenset({"call-2", "call-5"})
ERASE = {CHAT: Treatment(without=ERASED)}


def filled(root: Path, disk: Disk | None = None) -> Lake:
    lake = new_lake(root, disk=disk or QuickDisk())
    append(lake, calls(*FIRST, gateway_id="g", gateway_seq=None))
    append(lake, calls(*SECOND))
    return lake


def erase(lake: Lake) -> Rewritten:
    with lake.writing() as head:
        return rewrite(lake, head, ERASE, why="test")


def test_rows_go_and_the_others_stay_as_they_were(tmp_path: Path) -> None:
    lake = filled(tmp_path)
    kept = table(lake.snapshot(), ["call_id", "seq", "request", "response"])
    old = data_files(lake)
    done = erase(lake)
    assert (done.partitions, done.removed) == ((CHAT,), {"calls": 2, "feedback": 0})
    now = table(lake.snapshot(), ["call_id", "seq", "request", "response"])
    assert now.to_pylist() == [row for row in kept.to_pylist() if row["call_id"] not in ERASED]
    assert [path.exists() for path in old if "1970-01-01" in str(path)] == [False, False]
    assert lake.verify() == []


def test_a_copy_made_before_does_not_open_with_the_keys_of_after(tmp_path: Path) -> None:
    lake = filled(tmp_path / "lake")
    shutil.copytree(tmp_path / "lake", tmp_path / "copy")
    erase(lake)
    shutil.copy(tmp_path / "lake/keys/store.json", tmp_path / "copy/keys/store.json")
    copy = Lake.open(tmp_path / "copy", master=MASTER)
    with pytest.raises(LakeKeyError, match="destroyed"):
        list(copy.snapshot().scan(["call_id"]))
    assert ids(copy.snapshot(), dts=["1970-01-02"]) == ["call-11"]


def test_an_older_snapshot_gives_what_is_left_of_its_rows(tmp_path: Path) -> None:
    lake = filled(tmp_path)
    other = Lake.open(tmp_path, master=MASTER)
    before, cut = other.snapshot(), other.snapshot(through=3)
    erase(lake)
    assert ids(before) == ["call-1", "call-3", "call-4", "call-11"]
    assert ids(cut) == ["call-1", "call-3"]
    with lake.writing() as head:
        rewrite(lake, head, {CHAT: Treatment(everything=True)}, why="test")
    assert ids(before) == ["call-11"]
    assert ids(cut) == []
    with pytest.raises(LakeError, match="not in this snapshot"):
        before.take(["call-1"], ["ts"])


def test_the_partition_takes_calls_and_merges_afterwards(tmp_path: Path) -> None:
    lake = filled(tmp_path)
    other = Lake.open(tmp_path, master=MASTER, disk=QuickDisk())  # has the old keys in mind
    erase(lake)
    append(other, calls(6))
    assert compact(other).merged_files == 3
    assert ids(lake.snapshot()) == ["call-1", "call-3", "call-4", "call-11", "call-6"]
    assert len(lake.keys.ids_of_partitions()[CHAT]) == 1
    assert lake.verify() == []


@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("append"), st.integers(1, 8)),
            st.tuples(st.just("merge"), st.sampled_from([1 << 30, 90_000, 50_000])),
            st.tuples(st.just("erase"), st.integers(2, 5)),
        ),
        min_size=2,
        max_size=7,
    )
)
@settings(max_examples=15)
def test_every_snapshot_gives_its_rows_less_those_erased_whatever_happens_to_the_files(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]
) -> None:
    lake = new_lake(tmp_path_factory.mktemp("lake"))
    filled, gone, seen = 0, set[str](), []
    for what, size in steps:
        if what == "append":
            append(lake, calls(*range(filled, filled + size)))
            filled += size
            seen.append((lake.snapshot(), [f"call-{number}" for number in range(filled)]))
        elif what == "merge":
            compact(lake, target_bytes=size)
        else:
            erased = frozenset(f"call-{number}" for number in range(0, filled, size))
            gone |= erased
            with lake.writing() as head:
                every = {file.partition: Treatment(without=erased) for file in head.files}
                rewrite(lake, head, every, why="test")
    for snapshot, before in seen:
        assert ids(snapshot) == [call_id for call_id in before if call_id not in gone]
    assert lake.verify() == []


def test_captured_calls_are_told_before_they_go(tmp_path: Path) -> None:
    lake = new_lake(tmp_path)
    append(lake, calls(1, 2, gateway_id="g"))
    append(
        lake,
        [one | {"gateway_seq": 7 + place} for place, one in enumerate(calls(4, 5, gateway_id="g"))],
    )
    ledger = Ledger(lake)
    ledger.opened("g", spool=tmp_path)
    with lake.writing() as head:
        rewrite(lake, head, ERASE, why="erased")
    _, accounts = ledger.told("g")
    assert accounts["chat"].removed == {"erased": Ranges.of([8])}


def test_a_reader_may_not_rewrite(tmp_path: Path) -> None:
    filled(tmp_path)
    with pytest.raises(LakeKeyError):
        erase(Lake.open(tmp_path, master=MASTER, role=Role.READER))
    assert len(ids(Lake.open(tmp_path, master=MASTER).snapshot())) == 6


@pytest.mark.parametrize("power_cut", [False, True], ids=["kill", "power cut"])
def test_a_crash_at_any_step_erases_all_or_nothing_and_a_rerun_ends_it(
    tmp_path: Path, power_cut: bool
) -> None:
    before = ["call-1", "call-2", "call-3", "call-4", "call-5", "call-11"]
    after = [call_id for call_id in before if call_id not in ERASED]
    seen = set()
    for die_at in count(1):
        root = tmp_path / str(die_at)
        root.mkdir()
        disk = CrashingDisk()
        lake = filled(root / "lake", disk)
        disk.die_at = disk.steps + die_at
        try:
            erase(lake)
            break
        except CrashError:
            disk.die_at = None
        if power_cut:
            disk.cut_power(root)
        again = Lake.open(root / "lake", master=MASTER, disk=QuickDisk())
        found = ids(again.snapshot())
        assert found in (before, after), f"died at step {die_at}"
        seen.add(len(found))
        erase(again)
        assert ids(again.snapshot()) == after, f"died at step {die_at}"
        assert again.verify() == [], f"died at step {die_at}"
        with again.writing() as head:
            assert clear(again, head) == 0
        assert [len(held) for held in again.keys.ids_of_partitions().values()] == [1, 1]
    assert seen == {4, 6}


# Retention


def at(day: int, hour: int = 0) -> datetime:
    return datetime(1970, 1, 1, hour, tzinfo=UTC) + timedelta(days=day)


def keep(
    lake: Lake, now: datetime, *, text: int | None = 30, metadata: int | None = 90
) -> Enforced:
    days = [None if kept is None else timedelta(days=kept) for kept in (text, metadata)]
    return enforce(lake, text=days[0], metadata=days[1], now=now)


def test_text_goes_when_its_whole_day_is_past_and_the_fact_of_the_call_later(
    tmp_path: Path,
) -> None:
    lake = filled(tmp_path)
    metadata = [name for name in METADATA_COLUMNS if name != "retain_until"]
    before = table(lake.snapshot(), metadata)
    assert keep(lake, at(30, hour=23)) == Enforced(0, 0, 0)
    assert keep(lake, at(31)) == Enforced(text_gone=5, calls_gone=0, feedback_gone=0)
    assert keep(lake, at(31)) == Enforced(0, 0, 0)
    assert table(lake.snapshot(), metadata).equals(before)
    texts = table(lake.snapshot(), ["request", "response", "retain_until"]).to_pylist()
    assert texts[0] == {"request": "", "response": "", "retain_until": date(1970, 1, 31)}
    assert texts[5]["request"]
    assert texts[5]["retain_until"] is None
    assert keep(lake, at(91)) == Enforced(text_gone=1, calls_gone=5, feedback_gone=0)
    assert ids(lake.snapshot()) == ["call-11"]
    assert list(lake.keys.ids_of_partitions()) == ["dt=1970-01-02/endpoint=chat"]
    assert lake.verify() == []


def test_what_has_no_limit_is_kept_for_good(tmp_path: Path) -> None:
    lake = filled(tmp_path)
    assert keep(lake, at(90_000), text=None, metadata=None) == Enforced(0, 0, 0)


def test_text_that_comes_late_into_an_expired_day_goes_too(tmp_path: Path) -> None:
    lake = filled(tmp_path)
    keep(lake, at(31))
    append(lake, calls(6))
    compact(lake)
    assert keep(lake, at(31)).text_gone == 6
    assert not any(table(lake.snapshot(), ["request"])["request"].to_pylist()[:5])


def test_feedback_keeps_to_the_same_times(tmp_path: Path) -> None:
    lake = new_lake(tmp_path)
    row = {"feedback_id": "f", "call_id": "call-1", "ts": 0, "endpoint": "chat", "name": "note"}
    append_feedback(lake, [row | {"kind": "comment", "text": "so so", "source": "human"}])
    assert keep(lake, at(31)).text_gone == 1
    assert [batch["text"].to_pylist() for batch in lake.snapshot().feedback(["text"])] == [[""]]
    assert keep(lake, at(91)).feedback_gone == 1
    assert lake.status().feedback == 0


def test_an_interrupted_retention_goes_on_where_it_was(tmp_path: Path) -> None:
    whole = filled(tmp_path / "whole")
    keep(whole, at(92), metadata=None)
    for die_at in count(1, 3):
        root = tmp_path / str(die_at)
        disk = CrashingDisk()
        lake = filled(root, disk)
        disk.die_at = disk.steps + die_at
        try:
            keep(lake, at(92), metadata=None)
            break
        except CrashError:
            pass
        again = Lake.open(root, master=MASTER, disk=QuickDisk())
        keep(again, at(92), metadata=None)
        columns = ["call_id", "request", "retain_until"]
        assert table(again.snapshot(), columns).equals(table(whole.snapshot(), columns))
        assert again.verify() == []
