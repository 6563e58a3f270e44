"""Lines leave a version's files without a trace, whenever it dies; the manifest stays as it was."""

from __future__ import annotations

import shutil
from datetime import timedelta
from itertools import count
from pathlib import Path

import dataset_calls as made
import pytest
from lake_world import CrashError, CrashingDisk, QuickDisk

from loopwright.clock import FakeClock
from loopwright.errors import DatasetError
from loopwright.lake.datasets.building import build
from loopwright.lake.datasets.catalog import Catalog
from loopwright.lake.datasets.estimating import estimate
from loopwright.lake.datasets.lines import Lines
from loopwright.lake.datasets.verifying import verify
from loopwright.lake.erasing.erased_lines import erase_lines, erased_lines, lines_about
from loopwright.lake.erasing.retention import enforce
from loopwright.lake.exports.exporting import export_version
from loopwright.lake.exports.folders import Folder
from loopwright.lake.ingest import append
from loopwright.lake.settings import Retention
from loopwright.lake.store import Lake

GONE = ["call-00003", "call-00007", "call-00011"]


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    return made.make_lake(tmp_path_factory.mktemp("erased") / "lake", made.records(20))


@pytest.fixture
def catalog(lake: Lake, tmp_path: Path) -> Catalog:
    catalog = Catalog(tmp_path / "datasets")
    recipe = made.recipe(sampling={"ratio": 1.0}, split={"validation": 0.3, "by": "call"})
    build(lake, recipe, catalog=catalog, name="talks", owner="me", clock=FakeClock())
    return catalog


def texts(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.glob("*.jsonl")))


def test_lines_go_and_the_digest_stays(catalog: Catalog) -> None:
    folder, before = catalog.folder("talks", 1), catalog.load("talks")
    assert lines_about(folder, [*GONE, "call-of-somebody-else"]) == 3
    assert erase_lines(folder, GONE, disk=QuickDisk()) == 3
    assert not [number for number in (3, 7, 11) if f'question {number}"'.encode() in texts(folder)]
    now = catalog.load("talks")
    assert (now.digest, now.lines) == (before.digest, before.lines)
    assert sum(facts.rows for facts in now.files.values()) == 17
    result = verify(catalog, "talks", 1)
    assert (result.findings, result.erased) == ((), 3)
    assert erase_lines(folder, GONE, disk=QuickDisk()) == 0
    assert erase_lines(folder, ["call-00005", *GONE], disk=QuickDisk()) == 1
    assert verify(catalog, "talks", 1).erased == 4


def test_what_is_left_is_still_checked_against_the_lake(catalog: Catalog, lake: Lake) -> None:
    folder = catalog.folder("talks", 1)
    erase_lines(folder, GONE, disk=QuickDisk())
    assert verify(catalog, "talks", 1, lake=lake).ok
    train = folder / "train.jsonl"
    train.write_bytes(train.read_bytes().replace(b"question 1", b"question 7", 1))
    assert "changed" in verify(catalog, "talks", 1).findings[0]


def test_calls_whose_text_is_past_its_time_are_told_and_not_missed(tmp_path: Path) -> None:
    lake = made.make_lake(tmp_path / "lake", made.records(10))
    append(lake, [made.record(12, ts=made.START - timedelta(days=40))])
    catalog = Catalog(tmp_path / "datasets")
    recipe = made.recipe(sampling={"ratio": 1.0})
    build(lake, recipe, catalog=catalog, name="talks", owner="me", clock=FakeClock())
    enforce(lake, text=timedelta(days=30), metadata=None, now=made.START)
    result = verify(catalog, "talks", 1, lake=lake)
    assert (result.findings, result.expired) == ((), 1)
    kept = Retention(metadata=timedelta(days=35))
    lake = Lake.create(tmp_path / "lake", master=lake.keys.master, retention=kept)
    enforce(lake, text=None, metadata=kept.metadata, now=made.START)
    result = verify(catalog, "talks", 1, lake=lake)
    assert (result.findings, result.expired) == ((), 1)


def test_calls_whose_text_is_gone_are_counted_before_a_build_as_in_it(tmp_path: Path) -> None:
    """Metadata tells it: an estimate need not open text to leave them out."""
    old = [made.record(n, ts=made.START - timedelta(days=40, minutes=n)) for n in (12, 13, 14)]
    lake = made.make_lake(tmp_path / "lake", [*made.records(10), *old])
    enforce(lake, text=timedelta(days=30), metadata=None, now=made.START)
    told = estimate(lake.snapshot(), made.recipe(sampling={"ratio": 1.0}))
    assert (told.dropped, told.rows) == ({"expired": 3}, (10, 10))
    lines = Lines(lake.snapshot(), made.recipe(sampling={"ratio": 1.0}), purpose="test")
    assert len(list(lines)) == 10
    assert lines.tally.dropped == told.dropped


def test_an_export_made_afterwards_loses_more_lines_all_the_same(
    catalog: Catalog, tmp_path: Path
) -> None:
    erase_lines(catalog.folder("talks", 1), GONE[:1], disk=QuickDisk())
    export_version(catalog, "talks", 1, Folder(tmp_path / "out"), fields=["messages"])
    assert erase_lines(tmp_path / "out", GONE, disk=QuickDisk()) == 2
    assert len(texts(tmp_path / "out").splitlines()) == 17


def test_a_file_that_is_not_what_was_written_is_left_alone(catalog: Catalog) -> None:
    folder = catalog.folder("talks", 1)
    (folder / "train.jsonl").write_bytes(b"{}\n")
    with pytest.raises(DatasetError, match="has not the"):
        erase_lines(folder, GONE, disk=QuickDisk())
    assert (folder / "train.jsonl").read_bytes() == b"{}\n"
    assert erased_lines(folder).lines == frozenset()


def test_a_crash_at_any_step_is_finished_by_the_next(catalog: Catalog, tmp_path: Path) -> None:
    whole = catalog.folder("talks", 1)
    for die_at in count(1):
        folder = tmp_path / str(die_at)
        shutil.copytree(whole, folder)
        try:
            erase_lines(folder, GONE, disk=CrashingDisk(die_at))
            break
        except CrashError:
            pass
        erase_lines(folder, GONE, disk=QuickDisk())
        assert len(texts(folder).splitlines()) == 17, f"died at step {die_at}"
        left = {path.name for path in folder.iterdir() if path.name.startswith(".")}
        assert not {name for name in left if name.endswith(".less")}
    assert die_at > 5
