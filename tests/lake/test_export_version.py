"""Exports are whole or absent, checked on the way, and idle when nothing changed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dataset_calls as made
import orjson
import pytest
from test_dataset_version import Crash, DyingDisk

from loopwright.clock import FakeClock
from loopwright.errors import DatasetError
from loopwright.lake.datasets.building import build
from loopwright.lake.datasets.catalog import Catalog
from loopwright.lake.exports.exporting import ExportProgress, Part, export_version
from loopwright.lake.exports.folders import Folder

RECIPE = made.recipe(sampling={"count": 20}, split={"validation": 0.3, "by": "call"})
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    folder = tmp_path_factory.mktemp("export")
    calls = [
        made.record(number, request={"tools": TOOLS} if number % 2 else {}) for number in range(40)
    ]
    catalog = Catalog(folder / "datasets")
    lake = made.make_lake(folder / "lake", calls)
    build(lake, RECIPE, catalog=catalog, name="talks", owner="me", clock=FakeClock())
    return catalog


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_an_export_is_the_version_byte_for_byte(catalog: Catalog, tmp_path: Path) -> None:
    seen: list[ExportProgress] = []
    result = export_version(catalog, "talks", 1, Folder(tmp_path / "a/out"), progress=seen.append)
    assert contents(tmp_path / "a/out") == contents(catalog.folder("talks", 1))
    assert result.written
    assert dict(result.files) == dict(catalog.load("talks", 1).files)
    assert seen[-1] == ExportProgress(20, 20)


def test_the_same_export_again_changes_nothing_and_another_is_refused(
    catalog: Catalog, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    assert export_version(catalog, "talks", 1, Folder(out)).written
    before = contents(out)
    assert not export_version(catalog, "talks", 1, Folder(out)).written
    with pytest.raises(DatasetError, match="already holds something else"):
        export_version(catalog, "talks", 1, Folder(out), fields=["messages"])
    assert contents(out) == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_named_fields_only(catalog: Catalog, tmp_path: Path) -> None:
    result = export_version(catalog, "talks", 1, Folder(tmp_path / "out"), fields=["messages"])
    lines = (tmp_path / "out/train.jsonl").read_bytes().splitlines()
    assert all(set(orjson.loads(line)) == {"messages"} for line in lines)
    assert result.files["train.jsonl"].rows == len(lines)
    with pytest.raises(DatasetError, match="'mesages'"):
        export_version(catalog, "talks", 1, Folder(tmp_path / "other"), fields=["mesages"])
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_damaged_version_is_not_handed_on(catalog: Catalog, tmp_path: Path) -> None:
    path = catalog.folder("talks", 1) / "train.jsonl"
    whole = path.read_bytes()
    try:
        path.write_bytes(whole.replace(b"answer", b"answfr", 1))
        with pytest.raises(DatasetError, match=r"train\.jsonl is not the file that was written"):
            export_version(catalog, "talks", 1, Folder(tmp_path / "out"))
        path.unlink()
        with pytest.raises(DatasetError, match=r"train\.jsonl: No such file"):
            export_version(catalog, "talks", 1, Folder(tmp_path / "out"))
    finally:
        path.write_bytes(whole)
    assert list(tmp_path.iterdir()) == []


def test_an_export_killed_at_any_disk_step_is_whole_or_absent(
    catalog: Catalog, tmp_path: Path
) -> None:
    whole = DyingDisk(10_000)
    export_version(catalog, "talks", 1, Folder(tmp_path / "whole", disk=whole))
    expected = contents(tmp_path / "whole")
    for steps in range(len(whole.trace)):
        out = tmp_path / f"killed-{steps}" / "out"
        with pytest.raises(Crash):
            export_version(catalog, "talks", 1, Folder(out, disk=DyingDisk(steps)))
        assert not out.exists() or contents(out) == expected
        export_version(catalog, "talks", 1, Folder(out))
        assert contents(out) == expected


def test_what_a_killed_export_left_goes_and_what_is_being_written_stays(tmp_path: Path) -> None:
    out, left = Folder(tmp_path / "out"), tmp_path / ".out.0123456789ab.tmp"
    left.mkdir()
    (left / "rows.jsonl").write_bytes(b"text\n")

    def slowly() -> Iterator[bytes]:
        assert not left.exists()
        yield b"1"
        assert Folder(tmp_path / "out").put([Part("rows.jsonl", [b"1"])], beside={}).written

    assert not out.put([Part("rows.jsonl", slowly())], beside={}).written
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
