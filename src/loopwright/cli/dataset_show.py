"""`loopwright dataset show`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from itertools import islice
from typing import TYPE_CHECKING

import click

from loopwright.cli.common import ProjectOptions, project_options
from loopwright.cli.dataset_words import AS_JSON, said, summary, when
from loopwright.cli.output import say, say_json
from loopwright.cli.recorded_data import RecordedData, recorded_data, size_words
from loopwright.errors import LoopwrightError

if TYPE_CHECKING:
    from loopwright.lake.datasets.catalog import Catalog
    from loopwright.lake.datasets.version import VersionManifest


@click.command()
@click.argument("version", metavar="NAME[@vN]")
@click.option(
    "--sample",
    type=click.IntRange(min=1),
    metavar="N",
    help="Print the first N lines instead; recorded in the lake's audit log.",
)
@AS_JSON
@project_options
def command(version: str, sample: int | None, as_json: bool, options: ProjectOptions) -> None:
    """Tell how a version came to be: from the population to the lines it holds."""
    with recorded_data(options) as data:
        catalog, manifest = data.version(version)
        if sample:
            _show_lines(data, catalog, manifest, sample)
        elif as_json:
            lines = [asdict(line) for line in manifest.lines]
            say_json({**summary(manifest), "recipe": manifest.recipe, "lines": lines})
        else:
            lake = data.lake_of(manifest)
            say("\n".join(_told(manifest, lake.name if lake else manifest.lake_id)))


def _show_lines(
    data: RecordedData, catalog: Catalog, manifest: VersionManifest, count: int
) -> None:
    """Lines as they are, once the opening of text is on record."""
    from loopwright.lake.keys import Role

    lake = data.lake_of(manifest)
    if lake is None:
        raise LoopwrightError(
            f"cannot show lines of {manifest.name}: its lake is not recorded here, and an "
            "opening of text is recorded there",
            hint="read the files themselves if you may",
        )
    query = {"dataset": manifest.name, "version": manifest.version, "lines": count}
    purpose = f"show dataset {manifest.name} v{manifest.version}"
    with lake.open(Role.STANDARD).audit.opening(purpose=purpose, query=query) as opened:
        for line in islice(_lines(catalog, manifest), count):
            say(line)
            opened.rows += 1


def _lines(catalog: Catalog, manifest: VersionManifest) -> Iterator[str]:
    folder = catalog.folder(manifest.name, manifest.version)
    for name in manifest.files:
        try:
            with (folder / name).open(encoding="utf-8") as handle:
                for line in handle:
                    yield line.rstrip("\n")
        except OSError as error:
            raise LoopwrightError(
                f"cannot read {folder / name}: {error.strerror}",
                hint=f"`loopwright dataset verify {manifest.name}@v{manifest.version}` tells more",
            ) from error


def _told(manifest: VersionManifest, lake: str) -> Iterator[str]:
    yield f"{manifest.name} v{manifest.version}  made {when(manifest)} UTC from lake {lake}"
    yield f"  digest      {manifest.digest}"
    steps = {
        "population": (manifest.population, f"calls in the lake, up to number {manifest.cut:,}"),
        "matched": (manifest.matched, "match the filter"),
        "sampled": (manifest.sampled, f"drawn: {_drawn(manifest)}"),
        "left out": (sum(manifest.dropped.values()), ""),
        "kept": (manifest.kept, _split_words(manifest)),
    }
    width = max(len(f"{count:,}") for count, _ in steps.values())
    for step, (count, words) in steps.items():
        yield f"  {step:<11} {count:>{width},}  {words}".rstrip()
        if step == "left out":
            yield from _reasons(manifest, width)
    if manifest.corrected:
        yield f"  corrected   {manifest.corrected:>{width},}  answered by a person instead"
    tokens = ", ".join(f"{count:,} {kind}" for kind, count in manifest.tokens.items())
    yield f"  tokens      {tokens}"
    for name, facts in manifest.files.items():
        yield f"  file        {name}: {facts.rows:,} rows, {size_words(facts.bytes)}"
    if parent := manifest.parent:
        change = f"{parent.added:,} calls came, {parent.removed:,} went"
        yield f"  since v{parent.version:<5}{change}"
    for name, why in manifest.not_held_against.items():
        yield f"  not held against {name}: {why}"
    yield from _differences(manifest)


def _drawn(manifest: VersionManifest) -> str:
    sampling = manifest.recipe["sampling"]
    return ", ".join(f"{name} {said(value)}" for name, value in sampling.items())


def _reasons(manifest: VersionManifest, width: int) -> Iterator[str]:
    from loopwright.lake.datasets.reasons import DropReason

    for reason, count in manifest.dropped.items():
        yield f"    {'':<9} {count:>{width},}  {reason}: {DropReason(reason).meaning}"
        if reason == DropReason.CONTAMINATED:
            yield from (f"    {'':<9} {'':>{width}}    {line}" for line in _leaks(manifest))


def _leaks(manifest: VersionManifest) -> Iterator[str]:
    """E.g. `router/routing/paraphrases: 3 contained, 1 near`."""
    for held_out, ways in manifest.leaks.items():
        told = (f"{count:,} {way.replace('_', ' ')}" for way, count in ways.items())
        yield f"{held_out}: {', '.join(told)}"


def _differences(manifest: VersionManifest) -> Iterator[str]:
    """How the kept calls differ from the matched ones, a line for each dimension."""
    for dimension, told in manifest.comparison.items():
        yield f"  {dimension:<11} {told['verdict']} (distance {told['distance']:.2f})"


def _split_words(manifest: VersionManifest) -> str:
    parts = [f"{count:,} {split}" for split, count in manifest.split["lines"].items()]
    by = f", split by {manifest.split['by']}" if len(parts) > 1 else ""
    return ", ".join(parts) + by
