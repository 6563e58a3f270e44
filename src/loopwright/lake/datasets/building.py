"""A dataset version, built: its lines as they come, and the manifest last; that is the commit.

What a line is belongs to `lines`, where it lies to `catalog`.
"""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa

from loopwright import __version__
from loopwright.clock import Clock, SystemClock, to_text
from loopwright.errors import DatasetError
from loopwright.lake.datasets.catalog import Catalog, LineFile, file_name, undecided
from loopwright.lake.datasets.comparison import PROFILED, Profile, compared
from loopwright.lake.datasets.decontamination import Finding
from loopwright.lake.datasets.lines import Lines
from loopwright.lake.datasets.matching import call_count
from loopwright.lake.datasets.recipe import LineFormat, Recipe
from loopwright.lake.datasets.rendering import RENDERER
from loopwright.lake.datasets.sieve import Questions
from loopwright.lake.datasets.version import (
    SPLITS,
    TRAIN,
    Line,
    NotEnoughRowsError,
    VersionFile,
    VersionManifest,
    parent_of,
    root_of,
    version_digest,
)
from loopwright.lake.snapshot import Snapshot
from loopwright.lake.store import Lake

_REPORT_EVERY = 500


@dataclass(frozen=True)
class BuildProgress:
    """How far a build is: rows walked, lines kept, and the lines it ends with where known."""

    walked: int
    kept: int
    wanted: int | None


@dataclass(frozen=True, slots=True)
class _Written:
    """The lines of a version, in order, and its files."""

    lines: list[Line]
    files: dict[str, VersionFile]


def build(
    lake: Lake,
    recipe: Recipe,
    *,
    catalog: Catalog,
    name: str,
    owner: str,
    version: int | None = None,
    cut: int | None = None,
    held_out: Questions | None = None,
    not_held_against: Mapping[str, str] | None = None,
    progress: Callable[[BuildProgress], None] | None = None,
    clock: Clock | None = None,
) -> VersionManifest:
    """Build and commit the next version of a dataset, or return it when it is there already.

    `version` is the number it must get (default: the next), `cut` the ingest sequence to stop at
    (default: the lake's watermark), `held_out` the questions that the recipe names;
    `not_held_against` tells why other sets were not looked at, for the manifest. Raises
    NotEnoughRowsError, and leaves nothing behind, when the lake has fewer usable calls than
    `count` asks for, or none at all.
    """
    snapshot = lake.snapshot(through=cut)
    with catalog.held(name, owner=owner):
        number = version if version is not None else catalog.next_version(name)
        if number in catalog.versions(name):
            return _same(catalog.load(name, number), recipe, snapshot, lake.lake_id)
        if number < catalog.next_version(name):
            raise DatasetError(f"Version {number} of dataset {name!r} was taken away for good")
        newest = catalog.newest(name)
        purpose = f"dataset {name} v{number}"
        lines = Lines(snapshot, recipe, purpose=purpose, held_out=held_out or {})
        _check_enough(lines.draw.population.count, recipe)  # before any text is opened
        with catalog.draft(name, number) as folder:
            written = _write(lines, folder, catalog, progress)
            manifest = _manifest(
                lines,
                written,
                name=name,
                version=number,
                lake_id=lake.lake_id,
                parent=None if newest is None else catalog.load(name, newest),
                created_at=to_text((clock or SystemClock()).now()),
                not_held_against=not_held_against or {},
            )
            catalog.commit(manifest, owner=owner)
    return manifest


def _same(
    found: VersionManifest, recipe: Recipe, snapshot: Snapshot, lake_id: str
) -> VersionManifest:
    """A version that is there answers the same build: what a retry after a crash meets."""
    asked = (recipe.digest, snapshot.cut, lake_id)
    if (found.recipe_digest, found.cut, found.lake_id) != asked:
        raise DatasetError(
            f"Version {found.version} of dataset {found.name!r} exists and was built otherwise",
            hint="Versions never change: build under the next number.",
        )
    return found


def _check_enough(have: int, recipe: Recipe) -> None:
    want = recipe.sampling.count or 1
    if have < want:
        raise NotEnoughRowsError(have=have, want=want)


def _write(
    lines: Lines,
    folder: Path,
    catalog: Catalog,
    progress: Callable[[BuildProgress], None] | None,
) -> _Written:
    digests: list[tuple[str, str]] = []
    names = SPLITS if lines.recipe.split.validation else (TRAIN,)
    wanted = lines.recipe.sampling.count
    with ExitStack() as stack:
        files = {
            split: LineFile(stack.enter_context(catalog.disk.staged(folder / file_name(split))))
            for split in names
        }
        held = stack.enter_context(undecided(folder))  # a line's split hangs on those after it
        for sample in lines:
            held.write(sample.data + b"\n")
            digests.append((sample.call_id, sha256(sample.data).hexdigest()))
            if progress and lines.tally.kept % _REPORT_EVERY == 0:
                progress(BuildProgress(lines.tally.sampled, lines.tally.kept, wanted))
        _check_enough(lines.tally.kept, lines.recipe)
        splits = lines.splits()
        held.seek(0)
        for line, split in zip(held, splits, strict=True):
            files[split].write(line.removesuffix(b"\n"))
    if progress:
        progress(BuildProgress(lines.tally.sampled, lines.tally.kept, wanted))
    return _Written(
        [Line(*line, split) for line, split in zip(digests, splits, strict=True)],
        {file_name(split): file.facts for split, file in files.items()},
    )


def _manifest(
    lines: Lines,
    written: _Written,
    *,
    name: str,
    version: int,
    lake_id: str,
    parent: VersionManifest | None,
    created_at: str,
    not_held_against: Mapping[str, str],
) -> VersionManifest:
    recipe, tally = lines.recipe, lines.tally
    root = root_of(written.lines)
    return VersionManifest(
        name=name,
        version=version,
        digest=version_digest(recipe.digest, root),
        recipe=recipe.to_json(),
        recipe_digest=recipe.digest,
        cut=lines.snapshot.cut,
        lake_id=lake_id,
        population=call_count(lines.snapshot),
        matched=lines.draw.population.count,
        sampled=tally.sampled,
        kept=tally.kept,
        dropped=dict(sorted(tally.dropped.items())),
        split={
            "validation": recipe.split.validation,
            "by": recipe.split.by.value,
            "lines": dict(sorted(Counter(line.split for line in written.lines).items())),
        },
        tokens={"input": tally.input_tokens, "output": tally.output_tokens},
        merkle_root=root,
        lines=tuple(written.lines),
        files=written.files,
        tools=_tools(recipe.line_format),
        parent=parent_of(parent, written.lines),
        created_at=created_at,
        corrected=tally.corrected,
        leaks=_by_set(tally.leaks),
        not_held_against=dict(sorted(not_held_against.items())),
        comparison=_comparison(lines),
    )


def _comparison(lines: Lines) -> dict[str, Any]:
    """How the kept differ from the population, with its language as a look at some tells it."""
    population = Profile.of(lines.draw.population.tables(PROFILED))
    for prompt in lines.sieve.probe.prompts:
        population.add_language(prompt)
    found = compared(population, lines.tally.profile)
    return {dimension: difference.to_json() for dimension, difference in found.items()}


def _by_set(leaks: Mapping[Finding, int]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for finding, count in sorted(leaks.items()):
        found.setdefault(finding.held_out, {})[finding.leak.value] = count
    return found


def _tools(line_format: LineFormat) -> dict[str, str]:
    return {
        "loopwright": __version__,
        "renderer": f"{RENDERER} {line_format.value}",
        "python": platform.python_version(),
        "pyarrow": pa.__version__,
        "orjson": orjson.__version__,
    }
