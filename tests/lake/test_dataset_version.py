"""Building, committing, repeating and surviving: a version is whole or it is not there."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import dataset_calls as made
import orjson
import pytest

from loopwright.clock import FakeClock
from loopwright.disk import Disk
from loopwright.errors import DatasetError, LakeError
from loopwright.lake.compaction import compact
from loopwright.lake.datasets import lines
from loopwright.lake.datasets.building import BuildProgress, build
from loopwright.lake.datasets.catalog import Catalog
from loopwright.lake.datasets.lines import Lines
from loopwright.lake.datasets.recipe import Recipe
from loopwright.lake.datasets.verifying import verify
from loopwright.lake.datasets.version import NotEnoughRowsError, VersionManifest, diff
from loopwright.lake.importing import import_calls
from loopwright.lake.store import Lake
from support.sweeps import EVERY

SPEC = {"sampling": {"count": 12, "salt": "s"}, "split": {"validation": 0.4, "by": "call"}}


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """Forty good calls, five copies of them, five failures, five that no format can say."""
    good = [made.record(number) for number in range(40)]
    copies = [made.record(100 + number, text=f"question {number}") for number in range(5)]
    failures = [made.record(200 + number, outcome="timeout") for number in range(5)]
    strange = [made.record(300 + n, answer={"role": "oracle", "content": "?"}) for n in range(5)]
    root = tmp_path_factory.mktemp("versions") / "lake"
    return made.make_lake(root, good, [*copies, *failures, *strange])


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return Catalog(tmp_path / "datasets")


def built(lake: Lake, catalog: Catalog, **over: Any) -> VersionManifest:
    recipe = over.pop("recipe", made.recipe(**SPEC))
    facts = {"name": "talks", "owner": "me", "clock": FakeClock(), **over}
    return build(lake, recipe, catalog=catalog, **facts)


def left_in(root: Path) -> list[str]:
    paths = (path.relative_to(root).as_posix() for path in root.rglob("*"))
    return sorted(path for path in paths if not path.startswith(".locks"))


def test_a_version_says_what_it_is_and_reads_back(lake: Lake, catalog: Catalog) -> None:
    manifest = built(lake, catalog)
    folder = catalog.folder("talks", 1)
    assert catalog.load("talks") == manifest
    assert left_in(folder) == ["manifest.json", "train.jsonl", "validation.jsonl"]
    rows = {name: facts.rows for name, facts in manifest.files.items()}
    assert sum(rows.values()) == manifest.kept == len(manifest.lines) == 12
    assert rows["validation.jsonl"] == manifest.split["lines"]["validation"] > 0
    assert manifest.sampled == manifest.kept + sum(manifest.dropped.values())
    assert manifest.tokens == {"input": 120, "output": 60}
    assert (manifest.population, manifest.matched, manifest.cut) == (55, 55, 55)
    lines = (folder / "train.jsonl").read_bytes().splitlines()
    assert all(orjson.loads(line)["messages"][-1]["role"] == "assistant" for line in lines)


def test_every_dropped_call_is_counted_under_its_reason(lake: Lake, catalog: Catalog) -> None:
    manifest = built(lake, catalog, recipe=made.recipe(sampling={"ratio": 1}))
    assert manifest.dropped == {"duplicate": 5, "outcome": 5, "role": 5}
    assert (manifest.sampled, manifest.kept) == (55, 40)
    assert set(manifest.files) == {"train.jsonl"}


def test_cleaning_by_tokens_and_operation(tmp_path: Path, catalog: Catalog) -> None:
    shapes = [(1, 1, "chat"), (5, None, "chat"), (9, 9, "chat"), (5, 5, "embeddings")]
    calls = [
        made.record(number, input_tokens=given, output_tokens=taken, operation=operation)
        for number, (given, taken, operation) in enumerate(shapes)
    ]
    recipe = made.recipe(
        sampling={"ratio": 1}, cleaning={"minTokens": 5, "maxTokens": 10, "outcomes": ["ok"]}
    )
    manifest = built(made.make_lake(tmp_path / "lake", calls), catalog, recipe=recipe)
    assert [line.call_id for line in manifest.lines] == ["call-00001"]
    assert manifest.dropped == {"operation": 1, "too_long": 1, "too_short": 1}


def test_a_second_clone_builds_the_same_bytes(lake: Lake, catalog: Catalog, tmp_path: Path) -> None:
    calls = [
        *(made.record(number) for number in range(40)),
        *(made.record(100 + number, text=f"question {number}") for number in range(5)),
        *(made.record(200 + number, outcome="timeout") for number in range(5)),
        *(made.record(300 + n, answer={"role": "oracle", "content": "?"}) for n in range(5)),
    ]
    for call in calls:  # hashes are keyed per lake; only their equality means anything
        call["exchange_hash"] = bytes(reversed(call["exchange_hash"]))
    clone = made.make_lake(tmp_path / "clone", *made.cut_up(calls[::-1], 4))
    there = Catalog(tmp_path / "there")
    for order in ("random", "chronological"):
        recipe = made.recipe(**{**SPEC, "sampling": {"count": 30, "order": order}})
        here, other = built(lake, catalog, recipe=recipe), built(clone, there, recipe=recipe)
        assert here.digest == other.digest
        assert here.files == other.files
        assert here.lake_id != other.lake_id


def test_a_clone_that_imported_the_same_files_builds_the_same_bytes(
    catalog: Catalog, tmp_path: Path
) -> None:
    files = []
    for part in range(3):
        lines = [
            orjson.dumps(
                {
                    "messages": [
                        {"role": "user", "content": f"question {number % 50}"},
                        {"role": "assistant", "content": "yes"},
                    ],
                    "user": f"u{number % 9}",
                    "created": 1_700_000_000 + number % 40,
                }
            )
            for number in range(part, 90, 3)
        ]
        files.append(tmp_path / f"part-{part}.jsonl")
        files[-1].write_bytes(b"\n".join(lines))
    here, there = made.make_lake(tmp_path / "here"), made.make_lake(tmp_path / "there")
    import_calls(here, files)
    for file in reversed(files):
        import_calls(there, [file])
    for sampling in ({"count": 30}, {"count": 30, "order": "chronological"}, {"ratio": 0.5}):
        spec = {"sampling": sampling, "split": {"validation": 0.4, "by": "subject"}}
        first = built(here, catalog, recipe=made.recipe(**spec))
        second = built(there, Catalog(tmp_path / "other"), recipe=made.recipe(**spec))
        assert first.digest == second.digest
        assert first.files == second.files
        assert set(first.split["lines"]) == {"train", "validation"}
    assert first.dropped["duplicate"] > 0


def test_another_process_builds_the_same_digest(lake: Lake, catalog: Catalog) -> None:
    script = """
import sys
from pathlib import Path
from loopwright.lake.datasets.building import build
from loopwright.lake.datasets.catalog import Catalog
from loopwright.lake.keys import MasterKey
from loopwright.lake.datasets import lines
from loopwright.lake.datasets.lines import Lines
from loopwright.lake.datasets.recipe import Recipe
from loopwright.lake.store import Lake
root, key, datasets = map(Path, sys.argv[1:4])
recipe = Recipe.from_spec({"sampling": {"count": 12, "salt": "s"},
                           "split": {"validation": 0.4, "by": "call"}})
lake = Lake.open(root, master=MasterKey.from_file(key))
manifest = build(lake, recipe, catalog=Catalog(datasets), name="talks", owner="me")
sys.stdout.write(manifest.digest)
"""
    key = lake.root.with_name("lake.key")
    done = subprocess.run(
        [sys.executable, "-c", script, lake.root, key, catalog.root / "other"],
        capture_output=True, text=True, check=True, env={**os.environ, "PYTHONHASHSEED": "77"},
    )  # fmt: skip
    assert done.stdout == built(lake, catalog).digest


def test_compaction_before_or_in_the_middle_changes_nothing(
    catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "_PIECE_ROWS", 10)
    lake = made.make_lake(tmp_path / "lake", *made.cut_up(made.records(120), 6))
    orders = ("random", "chronological")
    recipes = [made.recipe(sampling={"count": 60, "order": order}) for order in orders]
    before = [built(lake, catalog, recipe=recipe) for recipe in recipes]
    held = lake.snapshot()
    running = [iter(Lines(held, recipe, purpose="test")) for recipe in recipes]
    begun = [[next(one)] for one in running]
    assert compact(lake).merged_files == 6
    ended = [[*first, *rest] for first, rest in zip(begun, running, strict=True)]
    after = [built(lake, catalog, recipe=recipe) for recipe in recipes]
    assert [one.digest for one in after] == [one.digest for one in before]
    ids = [[line.call_id for line in one.lines] for one in before]
    assert [[sample.call_id for sample in one] for one in ended] == ids


def test_later_calls_do_not_change_a_version_at_its_cut(catalog: Catalog, tmp_path: Path) -> None:
    lake = made.make_lake(tmp_path / "lake", made.records(30))
    first = built(lake, catalog)
    made.make_lake(tmp_path / "lake", [made.record(number) for number in range(30, 90)])
    again = built(lake, catalog, cut=first.cut)
    grown = built(lake, catalog)
    assert again.digest == first.digest != grown.digest
    assert grown.parent is not None
    assert (grown.parent.version, grown.parent.added) == (2, grown.parent.removed)


def test_versions_count_up_and_name_what_changed(lake: Lake, catalog: Catalog) -> None:
    first = built(lake, catalog)
    wider = made.recipe(**{**SPEC, "sampling": {"count": 20, "salt": "s"}})
    second = built(lake, catalog, recipe=wider)
    assert (first.version, second.version, catalog.versions("talks")) == (1, 2, (1, 2))
    assert first.parent is None
    assert second.parent is not None
    assert (second.parent.digest, second.parent.added) == (first.digest, 8)
    change = diff(first, second)
    assert (len(change.added), change.removed, change.changed, change.kept) == (8, (), (), 12)
    assert change.recipe == {"sampling.count": (12, 20)}
    assert change.counts["kept"] == (12, 20)
    assert diff(first, first).empty
    assert not diff(first, built(lake, catalog, recipe=ark())).empty


def ark() -> Recipe:
    return made.recipe(**SPEC, lineFormat="ark")


def test_a_repeated_build_of_a_number_gives_the_version_that_is_there(
    lake: Lake, catalog: Catalog
) -> None:
    first = built(lake, catalog, version=1)
    assert built(lake, catalog, version=1) == first
    with pytest.raises(DatasetError, match="built otherwise"):
        built(lake, catalog, version=1, recipe=ark())


def test_a_removed_number_is_never_given_again(lake: Lake, catalog: Catalog) -> None:
    built(lake, catalog)
    built(lake, catalog)
    catalog.remove("talks", 2, owner="me")
    assert catalog.versions("talks") == (1,)
    with pytest.raises(DatasetError, match="for good"):
        built(lake, catalog, version=2)
    assert built(lake, catalog).version == 3
    shutil.rmtree(catalog.folder("talks", 3))
    assert built(lake, catalog).version == 4


def test_a_name_that_is_taken_is_refused(lake: Lake, catalog: Catalog) -> None:
    built(lake, catalog)
    with pytest.raises(DatasetError, match="belongs to me, not to you"):
        built(lake, catalog, owner="you")
    with pytest.raises(DatasetError, match="belongs to me"):
        catalog.remove("talks", 1, owner="you")
    assert catalog.names() == ("talks",)
    for name in ("", "..", "a/b", ".hidden"):
        with pytest.raises(DatasetError, match="cannot be the name"):
            built(lake, catalog, name=name)


def test_a_version_that_is_not_there_is_told_what_is(lake: Lake, catalog: Catalog) -> None:
    built(lake, catalog)
    with pytest.raises(DatasetError) as caught:
        catalog.load("talks", 7)
    assert "v1" in str(caught.value.hint)


@pytest.mark.parametrize("count", [41, 56])
def test_too_few_calls_make_no_version_and_leave_nothing(
    lake: Lake, catalog: Catalog, count: int
) -> None:
    with pytest.raises(NotEnoughRowsError) as caught:
        built(lake, catalog, recipe=made.recipe(sampling={"count": count}))
    assert caught.value.want == count
    assert caught.value.have == (40 if count == 41 else 55)
    assert left_in(catalog.root) == []
    with pytest.raises(NotEnoughRowsError):
        built(lake, catalog, recipe=made.recipe(sampling={"ratio": 1}, filter={"where": "false"}))
    assert left_in(catalog.root) == []


def test_progress_ends_at_what_was_built(lake: Lake, catalog: Catalog) -> None:
    seen: list[BuildProgress] = []
    manifest = built(lake, catalog, progress=seen.append)
    assert seen[-1] == BuildProgress(manifest.sampled, 12, 12)


def test_a_session_is_never_torn_and_a_subject_falls_back_to_the_call(
    tmp_path: Path, catalog: Catalog
) -> None:
    calls = [
        made.record(number, session_id=f"s{number % 20}" if number % 2 else None,
                    request={"user": f"u{number % 7}"} if number % 3 else {})
        for number in range(200)
    ]  # fmt: skip
    lake = made.make_lake(tmp_path / "lake", calls)
    for by, group in (
        ("session", lambda number: number % 20 if number % 2 else None),
        ("subject", lambda number: number % 7 if number % 3 else None),
    ):
        spec = {"sampling": {"ratio": 1}, "split": {"validation": 0.3, "by": by}}
        splits = split_of(built(lake, catalog, recipe=made.recipe(**spec)), group)
        assert all(len(split) == 1 for name, split in splits.items() if name is not None)
        assert {"train", "validation"} == set().union(*splits.values()) == splits[None]


def split_of(
    manifest: VersionManifest, group: Callable[[int], int | None]
) -> dict[int | None, set[str]]:
    found: dict[int | None, set[str]] = {}
    for line in manifest.lines:
        found.setdefault(group(int(line.call_id[5:])), set()).add(line.split)
    return found


class Crash(BaseException):
    """The process ends here."""


class DyingDisk(Disk):
    """Dies at the nth touch and stays dead, as a killed process does."""

    def __init__(self, steps: int, error: Callable[[], BaseException] = Crash) -> None:
        self.left = steps
        self.error = error
        self.trace: list[tuple[str, str]] = []

    def _step(self, what: str, path: Path) -> None:
        self.trace.append((what, path.name))
        self.left -= 1
        if self.left < 0:
            raise self.error()

    def create(self, path: Path, *, mode: int = 0o644) -> BinaryIO:
        self._step("create", path)
        return super().create(path, mode=mode)

    def sync_file(self, handle: BinaryIO) -> None:
        self._step("sync", Path(handle.name if isinstance(handle.name, str) else "file"))
        super().sync_file(handle)

    def sync_folder(self, folder: Path) -> None:
        self._step("sync_folder", folder)
        super().sync_folder(folder)

    def rename(self, source: Path, target: Path) -> None:
        self._step("rename", target)
        super().rename(source, target)

    def remove(self, path: Path) -> None:
        self._step("remove", path)
        super().remove(path)

    def make_folder(self, folder: Path) -> None:
        self._step("make_folder", folder)
        super().make_folder(folder)


@EVERY
def test_a_build_killed_at_any_disk_step_leaves_a_whole_version_or_none(
    lake: Lake, tmp_path: Path, every: int
) -> None:
    whole = DyingDisk(10_000)
    expected = built(lake, Catalog(tmp_path / "whole", disk=whole))
    committed = 0
    for steps in range(len(whole.trace) - 1, -1, -every):
        root = tmp_path / f"killed-{steps}"
        with pytest.raises(Crash):
            built(lake, Catalog(root, disk=DyingDisk(steps)))
        catalog = Catalog(root)
        for version in catalog.versions("talks"):
            committed += 1
            assert verify(catalog, "talks", version, lake=lake).ok
        again = built(lake, catalog, version=1)
        assert (again.version, again.digest) == (1, expected.digest)
        assert left_in(catalog.folder("talks", 1)) == left_in(tmp_path / "whole/talks/v1")
        assert catalog.next_version("talks") == 2
    assert 0 < committed < len(whole.trace)


def test_the_manifest_is_renamed_only_after_the_lines_are_synced(
    lake: Lake, tmp_path: Path
) -> None:
    disk = DyingDisk(10_000)
    built(lake, Catalog(tmp_path / "datasets", disk=disk))
    commit = disk.trace.index(("rename", "manifest.json"))
    renamed = [disk.trace.index(("rename", f"{split}.jsonl")) for split in ("train", "validation")]
    folder_syncs = [place for place, step in enumerate(disk.trace) if step == ("sync_folder", "v1")]
    assert max(renamed) < max(place for place in folder_syncs if place < commit)
    assert any(place > commit for place in folder_syncs)
    for place in (*renamed, commit):
        assert disk.trace[place - 1][0] == "sync"


def test_a_full_disk_is_said_and_leaves_nothing(lake: Lake, tmp_path: Path) -> None:
    def full() -> OSError:
        return OSError(errno.ENOSPC, "No space left on device")

    class FullDisk(DyingDisk):
        def _step(self, what: str, path: Path) -> None:
            if what == "sync":
                raise full()

    catalog = Catalog(tmp_path / "datasets", disk=FullDisk(0))
    with pytest.raises(LakeError, match="No space left"):
        built(lake, catalog)
    assert left_in(catalog.root) == []
