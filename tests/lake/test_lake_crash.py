"""A lake that is killed, loses power or fills its disk at any step keeps every committed call."""

from __future__ import annotations

import errno
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest
from lake_world import (
    MASTER,
    CrashError,
    CrashingDisk,
    FullDisk,
    QuickDisk,
    call,
    calls,
    ids,
    new_lake,
)

from loopwright.disk import Disk, is_temporary
from loopwright.errors import LakeError
from loopwright.lake.compaction import compact
from loopwright.lake.ingest import append
from loopwright.lake.store import Lake
from support.sweeps import EVERY

FIRST, SECOND, BOTH = [1, 2, 11], [2, 3], [1, 2, 11, 3]  # 11 lies in another partition


def first_fill(root: Path, disk: Disk) -> None:
    append(new_lake(root, disk=disk), calls(*FIRST))


def second_fill(root: Path, disk: Disk) -> None:
    append(new_lake(root, disk=disk), calls(*SECOND))


def merge(root: Path, disk: Disk) -> None:
    compact(new_lake(root, disk=disk))


def everything(root: Path, disk: Disk) -> None:
    for step in (first_fill, second_fill, merge):
        step(root, disk)


def held(root: Path) -> list[str]:
    return ids(new_lake(root).snapshot())


def named(numbers: list[int]) -> list[str]:
    return [call(number)["call_id"] for number in numbers]


def crashes(
    work: Callable[[Path, Disk], None], tmp_path: Path, *, every: int
) -> list[tuple[int, CrashingDisk]]:
    """Run `work` in fresh folders, dying `every` primitives later each time, until it ends."""
    found = []
    for die_at in count(1, every):
        disk = CrashingDisk(die_at)
        root = tmp_path / str(die_at)
        root.mkdir()
        try:
            work(root / "lake", disk)
        except CrashError:
            found.append((die_at, disk))
        else:
            return found
    raise AssertionError


@EVERY
@pytest.mark.parametrize("power_cut", [False, True], ids=["kill", "power cut"])
def test_a_crash_at_any_step_leaves_whole_batches_and_a_rerun_completes(
    tmp_path: Path, power_cut: bool, every: int
) -> None:
    whole = [[], named(FIRST), named(BOTH)]
    seen = set()
    for die_at, disk in crashes(everything, tmp_path, every=every):
        root = tmp_path / str(die_at)
        if power_cut:
            disk.cut_power(root)
        found = held(root / "lake")
        assert found in whole, f"died at step {die_at}"
        seen.add(len(found))
        everything(root / "lake", QuickDisk())
        assert held(root / "lake") == named(BOTH), f"died at step {die_at}"
        assert new_lake(root / "lake").verify() == [], f"died at step {die_at}"
    assert seen == {0, 3, 4}


def test_what_append_returned_survives_a_power_cut(tmp_path: Path) -> None:
    disk = CrashingDisk()
    first_fill(tmp_path / "lake", disk)
    disk.cut_power(tmp_path)
    assert held(tmp_path / "lake") == named(FIRST)
    assert new_lake(tmp_path / "lake").verify() == []


def test_the_power_cut_of_these_tests_does_drop_what_was_not_synced(tmp_path: Path) -> None:
    class Forgetful(CrashingDisk):
        def sync_file(self, handle: object) -> None:
            handle.flush()  # type: ignore[attr-defined]

    disk = Forgetful()
    first_fill(tmp_path / "lake", disk)
    disk.cut_power(tmp_path)
    with pytest.raises(LakeError):
        Lake.open(tmp_path / "lake", master=MASTER)


@pytest.mark.parametrize(
    ("code", "says"), [(errno.ENOSPC, "No space left"), (errno.EROFS, "Read-only file system")]
)
def test_a_disk_that_refuses_leaves_the_lake_readable_and_says_what_to_do(
    tmp_path: Path, code: int, says: str
) -> None:
    root = tmp_path / "lake"
    first_fill(root, QuickDisk())
    for room in (0, 10_000, 22_000, 24_000):
        with pytest.raises(LakeError, match=says) as refusal:
            append(new_lake(root, disk=FullDisk(room, code=code)), calls(*range(20, 50)))
        assert refusal.value.hint
        assert held(root) == named(FIRST)
        assert not [path for path in root.rglob("*") if is_temporary(path)]
        assert new_lake(root).verify() == []
    append(new_lake(root, disk=FullDisk(1 << 20)), calls(*SECOND))
    assert held(root) == named(BOTH)
