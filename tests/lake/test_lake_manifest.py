"""The file manifest: its newest state is the sum of its commits, and no commit can be tampered."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lake_world import MASTER, QuickDisk, calls, new_lake

from loopwright.errors import LakeError, LakeIntegrityError
from loopwright.lake.files import EMPTY, FileManifest, Head, LakeFile
from loopwright.lake.ingest import append
from loopwright.lake.store import Lake

START = datetime(2026, 1, 1, tzinfo=UTC)


def manifest(folder: Path) -> FileManifest:
    return FileManifest(folder, secret=b"s" * 32, disk=QuickDisk())


def file(name: str) -> LakeFile:
    ranges = dict.fromkeys(("skey_min", "skey_max", "ts_min", "ts_max", "seq_min", "seq_max"), 1)
    return LakeFile(
        path=name,
        dt="2026-01-01",
        endpoint="chat",
        rows=1,
        bytes=1,
        sha256="",
        footer_sha256="",
        models=("m",),
        **ranges,
    )


def fill(log: FileManifest, commits: int) -> Head:
    head = EMPTY
    for number in range(commits):
        moment = START + timedelta(minutes=number)
        head = log.commit(head, added=(file(f"f{number}"),), last_seq=number + 1, at=moment)
    return head


@given(steps=st.lists(st.booleans(), max_size=80))
@settings(max_examples=15)
def test_the_head_is_the_sum_of_the_commits(
    tmp_path_factory: pytest.TempPathFactory, steps: list[bool]
) -> None:
    log = manifest(tmp_path_factory.mktemp("manifest"))
    head, expected = EMPTY, []
    for number, adds in enumerate(steps):
        removed = () if adds or not expected else (expected.pop(0),)
        added = () if removed else (file(f"f{number}"),)
        expected += [one.path for one in added]
        head = log.commit(head, added=added, removed=removed, last_seq=number, at=START)
    assert log.head() == head
    assert [one.path for one in head.files] == expected
    assert log.findings() == []


def test_the_sequence_at_a_moment_is_that_of_the_last_commit_by_then(tmp_path: Path) -> None:
    log = manifest(tmp_path)
    fill(log, 5)
    assert log.last_seq_at(START - timedelta(seconds=1)) == 0
    assert log.last_seq_at(START + timedelta(minutes=2, seconds=30)) == 3
    assert log.last_seq_at(START + timedelta(days=1)) == 5


def test_commit_times_never_run_backwards(tmp_path: Path) -> None:
    log = manifest(tmp_path)
    head = fill(log, 2)
    log.commit(head, added=(), last_seq=2, at=START - timedelta(days=1))
    assert log.head().at == START + timedelta(minutes=1)


def test_two_writers_cannot_commit_the_same_number(tmp_path: Path) -> None:
    log = manifest(tmp_path)
    head = fill(log, 1)
    won = log.commit(head, added=(file("a"),), last_seq=2, at=START)
    with pytest.raises(LakeError, match="written by somebody else"):
        log.commit(head, added=(file("b"),), last_seq=2, at=START)
    assert log.head() == won


@pytest.mark.parametrize("victim", [1, 20, 40])
@pytest.mark.parametrize("damage", ["missing", "damaged", "changed", "swapped"])
def test_a_tampered_commit_is_named(tmp_path: Path, victim: int, damage: str) -> None:
    log = manifest(tmp_path)
    fill(log, 41)
    path = tmp_path / f"{victim:012}.json"
    if damage == "missing":
        path.unlink()
    elif damage == "damaged":
        path.write_bytes(path.read_bytes()[:-5])
    elif damage == "changed":
        path.write_bytes(path.read_bytes().replace(b'"rows":1', b'"rows":2'))
    else:
        shutil.copyfile(tmp_path / f"{victim + 1:012}.json", path)
    (finding,) = log.findings()
    assert path.name in finding
    if victim == 40:
        with pytest.raises(LakeIntegrityError, match=path.name):
            log.head()


def test_a_commit_replaced_by_a_sealed_one_of_another_history_is_named(tmp_path: Path) -> None:
    log, other = manifest(tmp_path / "a"), manifest(tmp_path / "b")
    for folder in (log.folder, other.folder):
        folder.mkdir()
    fill(log, 4)
    other.commit(fill(other, 1), added=(file("x"),), last_seq=2, at=START)
    shutil.copyfile(other.folder / "000000000002.json", log.folder / "000000000002.json")
    with pytest.raises(LakeIntegrityError, match=r"000000000002\.json is not the one"):
        log.head()


@pytest.mark.parametrize("lost", [1, 2, 5], ids=["the newest", "two", "all"])
def test_commits_lost_at_the_end_are_named(tmp_path: Path, lost: int) -> None:
    log = manifest(tmp_path)
    head = fill(log, 5)
    for number in range(6 - lost, 6):
        (tmp_path / f"{number:012}.json").unlink()
    for look in (log.head, log.check_end, lambda: log.last_seq_at(START)):
        with pytest.raises(LakeIntegrityError, match=r"000000000005\.json is missing"):
            look()
    assert "000000000005.json is missing" in log.findings()[0]
    log.commit(head, added=(file("new"),), last_seq=6, at=START)
    with pytest.raises(LakeIntegrityError, match=r"000000000005\.json is missing"):
        log.head()


def test_what_is_remembered_may_lag_and_catches_up(tmp_path: Path) -> None:
    log = manifest(tmp_path)
    head = fill(log, 2)
    memory = tmp_path.with_name(f"{tmp_path.name}-head.json")
    before = memory.read_bytes()
    newest = log.commit(head, added=(file("x"),), last_seq=3, at=START)
    memory.write_bytes(before)  # died right after the commit
    assert log.head() == newest
    log.remember(newest)
    (tmp_path / "000000000003.json").unlink()
    with pytest.raises(LakeIntegrityError, match=r"000000000003\.json is missing"):
        log.head()


def test_a_newest_commit_of_another_history_is_named(tmp_path: Path) -> None:
    log, other = manifest(tmp_path / "a"), manifest(tmp_path / "b")
    for folder in (log.folder, other.folder):
        folder.mkdir()
    fill(log, 2)
    other.commit(fill(other, 1), added=(file("x"),), last_seq=2, at=START)
    shutil.copyfile(other.folder / "000000000002.json", log.folder / "000000000002.json")
    with pytest.raises(LakeIntegrityError, match=r"000000000002\.json is not the one"):
        log.head()


def test_commits_lost_together_with_what_is_remembered_are_missed_by_the_key_store(
    tmp_path: Path,
) -> None:
    lake = new_lake(tmp_path)
    for number in (1, 2, 11):  # 11 lies in another partition, and needs new keys
        append(lake, calls(number))
    (tmp_path / "manifest-head.json").unlink()
    for number in (2, 3):
        (tmp_path / f"manifest/{number:012}.json").unlink()
    with pytest.raises(LakeIntegrityError, match=r"000000000002\.json is missing: the key store"):
        Lake.open(tmp_path, master=MASTER)
