"""Compaction changes files and never rows: not for new snapshots, not for old ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lake_world import MASTER, calls, data_files, ids, new_lake, table

from loopwright.errors import LakeIntegrityError
from loopwright.lake.columns import COLUMNS
from loopwright.lake.compaction import compact
from loopwright.lake.ingest import append
from loopwright.lake.store import Lake

# What a merge of a few small files can make of the target: all, some, or nothing is too large.
TARGETS = st.sampled_from([1 << 30, 90_000, 50_000, 1])


@given(
    sizes=st.lists(st.integers(1, 12), min_size=1, max_size=5),
    targets=st.lists(TARGETS, min_size=1, max_size=3),
)
@settings(max_examples=15)
def test_every_snapshot_gives_the_same_rows_after_any_compactions(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], targets: list[int]
) -> None:
    lake = new_lake(tmp_path_factory.mktemp("lake"))
    snapshots, filled = [], 0
    for size in sizes:
        append(lake, calls(*range(filled, filled + size)))
        filled += size
        snapshots.append(lake.snapshot())
    before = [table(snapshot, list(COLUMNS)) for snapshot in snapshots]
    for target in targets:
        compact(lake, target_bytes=target)
        snapshots.append(lake.snapshot())
        before.append(before[len(sizes) - 1])
    for snapshot, rows in zip(snapshots, before, strict=True):
        assert table(snapshot, list(COLUMNS)).equals(rows)
    assert snapshots[0].take(["call-0"], ["seq"])["seq"].to_pylist() == [1]
    assert lake.verify() == []


def test_a_partition_becomes_one_file_in_key_order_under_a_new_data_key(tmp_path: Path) -> None:
    lake = new_lake(tmp_path)
    for start in range(0, 9, 3):
        append(lake, calls(*range(start, start + 3)))
    old_keys = {lake.data_keys(file).footer for file in lake.manifest.head().files}
    old_files = data_files(lake)
    result = compact(lake)
    assert (result.merged_files, result.written_files, result.rows) == (3, 1, 9)
    (file,) = lake.manifest.head().files
    skeys = [key for batch in lake.snapshot().scan(["skey"]) for key in batch["skey"].to_pylist()]
    assert skeys == sorted(skeys)
    assert lake.data_keys(file).footer not in old_keys
    assert not [path for path in old_files if path.exists()]
    assert compact(lake).merged_files == 0


def test_a_large_file_is_left_alone(tmp_path: Path) -> None:
    lake = new_lake(tmp_path)
    append(lake, calls(*range(9)))
    large = lake.manifest.head().files[0]
    append(lake, calls(10, 11))
    append(lake, calls(12, 13))
    compact(lake, target_bytes=int(large.bytes * 1.99))
    assert large in lake.manifest.head().files
    assert len(lake.manifest.head().files) == 2


def test_only_the_days_asked_for_are_merged(tmp_path: Path) -> None:
    lake = new_lake(tmp_path)
    append(lake, calls(1, 11))
    append(lake, calls(2, 12))
    compact(lake, dts=["1970-01-02"])
    assert [one.files for one in lake.status().partitions] == [2, 1]


def test_a_damaged_file_stops_its_merge_and_is_named(tmp_path: Path) -> None:
    lake = new_lake(tmp_path)
    append(lake, calls(1))
    append(lake, calls(2))
    victim = data_files(lake)[0]
    content = bytearray(victim.read_bytes())
    content[len(content) // 2] ^= 1
    victim.write_bytes(content)
    with pytest.raises(LakeIntegrityError, match=victim.name):
        compact(lake)
    assert len(lake.manifest.head().files) == 2
    assert ids(lake.snapshot(), skey_range=(0, 0)) == []


def test_what_crashed_writes_left_is_named_and_cleared(tmp_path: Path) -> None:
    lake = new_lake(tmp_path)
    append(lake, calls(1))
    stray = data_files(lake)[0].with_name("stray.parquet")
    stray.write_bytes(b"half a file")
    assert lake.verify() == [f"{stray.relative_to(tmp_path)} is not in the manifest"]
    assert compact(lake).cleared == 1
    assert lake.verify() == []


@pytest.mark.parametrize(
    "lost", [["000000000002.json"], ["000000000001.json", "000000000002.json"]]
)
def test_a_lake_whose_newest_commits_are_lost_is_refused_and_keeps_its_files(
    tmp_path: Path, lost: list[str]
) -> None:
    lake = new_lake(tmp_path)
    append(lake, calls(1))
    append(lake, calls(2))
    files = data_files(lake)
    for name in lost:
        (tmp_path / "manifest" / name).unlink()
    actions = [
        lambda: compact(lake),
        lambda: append(lake, calls(3)),
        lake.status,
        lake.snapshot,
        lambda: Lake.open(tmp_path, master=MASTER),
    ]
    for action in actions:
        with pytest.raises(LakeIntegrityError, match=r"000000000002\.json is missing"):
            action()
    assert "000000000002.json is missing" in lake.verify()[0]
    assert all(path.exists() for path in files)


def test_nothing_whole_is_cleared_where_nothing_vouches_for_the_head(tmp_path: Path) -> None:
    lake = new_lake(tmp_path)
    append(lake, calls(1))
    (file,) = data_files(lake)
    (tmp_path / "manifest-head.json").unlink()
    (tmp_path / "manifest/000000000001.json").unlink()
    half = file.with_name(".half.parquet.0123.tmp")
    half.write_bytes(b"half a file")
    assert compact(lake).cleared == 1
    assert file.exists()
    assert not half.exists()
