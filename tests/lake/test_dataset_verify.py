"""Verification names the file and the line or call, whatever was done to a version."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import dataset_calls as made
import pytest

from loopwright.clock import FakeClock
from loopwright.errors import DatasetError
from loopwright.lake.datasets.building import build
from loopwright.lake.datasets.catalog import Catalog
from loopwright.lake.datasets.verifying import verify
from loopwright.lake.datasets.version import Line, VersionManifest, root_of, version_digest
from loopwright.lake.store import Lake

RECIPE = made.recipe(
    sampling={"count": 20}, split={"validation": 0.3, "by": "call"}, lineFormat="ark"
)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    return made.make_lake(tmp_path_factory.mktemp("verify") / "lake", made.records(40))


@pytest.fixture
def catalog(lake: Lake, tmp_path: Path) -> Catalog:
    catalog = Catalog(tmp_path / "datasets")
    build(lake, RECIPE, catalog=catalog, name="talks", owner="me", clock=FakeClock())
    return catalog


def findings(catalog: Catalog, lake: Lake | None = None) -> list[str]:
    return list(verify(catalog, "talks", 1, lake=lake).findings)


def change(name: str, edit: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        (folder / name).write_bytes(edit((folder / name).read_bytes()))

    return apply


def swap(folder: Path) -> None:
    train, validation = folder / "train.jsonl", folder / "validation.jsonl"
    first, second = train.read_bytes(), validation.read_bytes()
    train.write_bytes(second)
    validation.write_bytes(first)


def edit_line(number: int) -> Callable[[bytes], bytes]:
    def edit(data: bytes) -> bytes:
        lines = data.splitlines(keepends=True)
        lines[number - 1] = lines[number - 1].replace(b"answer", b"answfr", 1)
        return b"".join(lines)

    return edit


def drop_line(data: bytes) -> bytes:
    return b"".join(data.splitlines(keepends=True)[:-1])


def test_a_fresh_version_verifies_with_and_without_its_lake(catalog: Catalog, lake: Lake) -> None:
    assert verify(catalog, "talks", 1).ok
    result = verify(catalog, "talks", 1, lake=lake)
    assert result.ok
    assert result.digest == result.rebuilt == catalog.load("talks", 1).digest


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (change("train.jsonl", edit_line(3)), "train.jsonl line 3: changed (call call-"),
        (change("train.jsonl", lambda data: data[:-5]), "train.jsonl line {train}: cut off (call"),
        (change("train.jsonl", drop_line), "train.jsonl line {train}: missing (call call-"),
        (change("train.jsonl", lambda data: data + b"{}\n"), "train.jsonl line {next}: not a line"),
        (change("validation.jsonl", lambda data: b""), "validation.jsonl line 1: missing (call"),
        (swap, "validation.jsonl line 1: changed (call"),
        (lambda folder: (folder / "train.jsonl").unlink(), "train.jsonl: missing"),
        (lambda folder: (folder / "notes.txt").write_text("x"), "notes.txt: not a file of this"),
        (change("manifest.json", lambda data: data.replace(b'"kept":20', b'"kept":21')),
         "manifest.json was changed"),
        (change("manifest.json", lambda data: data[:100]), "not a version manifest"),
        (change("manifest.json", lambda data: b"[]"), "not a version manifest"),
    ],
)  # fmt: skip
def test_damage_is_named_by_file_and_line(
    catalog: Catalog, damage: Callable[[Path], None], expected: str
) -> None:
    train = catalog.load("talks", 1).files["train.jsonl"].rows
    damage(catalog.folder("talks", 1))
    expected = expected.format(train=train, next=train + 1)
    assert any(expected in finding for finding in findings(catalog)), findings(catalog)


def test_many_wrong_lines_are_counted_and_not_all_listed(catalog: Catalog) -> None:
    path = catalog.folder("talks", 1) / "train.jsonl"
    path.write_bytes(path.read_bytes().replace(b"answer", b"answfr"))
    found = findings(catalog)
    assert len(found) == 11
    assert "lines are wrong in all" in found[-1]


def reseal(catalog: Catalog, manifest: VersionManifest) -> None:
    (catalog.folder("talks", 1) / "manifest.json").write_bytes(manifest.to_bytes())


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"kept": 21}, "kept"),
        ({"dropped": {"outcome": 3}}, "sampled"),
        ({"merkle_root": "0" * 64}, "merkle_root"),
        ({"digest": "sha256:0"}, "digest"),
        ({"recipe": {"sampling": {"count": 21}}}, "recipe_digest"),
    ],
)
def test_a_manifest_that_contradicts_itself_is_found_in_spite_of_a_new_seal(
    catalog: Catalog, change: dict[str, object], told: str
) -> None:
    reseal(catalog, replace(catalog.load("talks", 1), **change))
    assert f"manifest.json: {told} does not follow" in "\n".join(findings(catalog))


def test_a_line_moved_to_the_other_split_is_another_version(catalog: Catalog) -> None:
    manifest = catalog.load("talks", 1)
    (other,) = {"train", "validation"} - {manifest.lines[0].split}
    moved = replace(manifest.lines[0], split=other)
    reseal(catalog, replace(manifest, lines=(moved, *manifest.lines[1:])))
    assert "manifest.json: merkle_root does not follow" in "\n".join(findings(catalog))


def test_a_manifest_of_another_version_is_found(catalog: Catalog) -> None:
    reseal(catalog, replace(catalog.load("talks", 1), version=2))
    assert "is the manifest of talks v2" in findings(catalog)[0]


def test_a_wholly_forged_version_is_found_by_rebuilding(catalog: Catalog, lake: Lake) -> None:
    manifest = catalog.load("talks", 1)
    forged = (Line("call-forged", manifest.lines[0].sha256, "train"), *manifest.lines[1:])
    other = tuple(
        replace(line, sha256="0" * 64) if place == 2 else line for place, line in enumerate(forged)
    )
    root = root_of(other)
    digest = version_digest(manifest.recipe_digest, root)
    reseal(catalog, replace(manifest, lines=other, merkle_root=root, digest=digest))
    found = findings(catalog, lake)
    assert "rebuild: call call-forged is not drawn from the lake any more" in found
    assert any("is drawn from the lake but not in the version" in finding for finding in found)
    assert f"rebuild: call {manifest.lines[2].call_id} gives another line" in found


def test_lines_in_another_order_are_another_version(catalog: Catalog, lake: Lake) -> None:
    manifest = catalog.load("talks", 1)
    lines = manifest.lines[::-1]
    root = root_of(lines)
    digest = version_digest(manifest.recipe_digest, root)
    reseal(catalog, replace(manifest, lines=lines, merkle_root=root, digest=digest))
    assert "rebuild: the same lines in another order" in findings(catalog, lake)


def test_a_version_that_does_not_exist_cannot_be_verified(catalog: Catalog) -> None:
    with pytest.raises(DatasetError, match="no version 9"):
        verify(catalog, "talks", 9)
