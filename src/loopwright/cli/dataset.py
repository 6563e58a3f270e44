"""`loopwright dataset`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from loopwright.cli.common import ProjectOptions, project_options
from loopwright.cli.output import note, say, say_json, table
from loopwright.cli.recorded_data import RecordedData, recorded_data, size_words
from loopwright.errors import ExitCode, LoopwrightError

if TYPE_CHECKING:
    from loopwright.lake.catalog import Catalog
    from loopwright.lake.version import VersionDiff, VersionManifest

_SHORT = len("sha256:") + 12
_NAMED_CALLS = 10
_as_json = click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")


@click.group()
def command() -> None:
    """List, show, verify and compare dataset versions."""


@command.command("list")
@_as_json
@project_options
def list_(as_json: bool, options: ProjectOptions) -> None:
    """Every dataset version on this machine, a line each."""
    with recorded_data(options) as data:
        found = [
            catalog.load(name, number)
            for catalog in data.catalogs()
            for name in catalog.names()
            for number in catalog.versions(name)
        ]
    if as_json:
        say_json([_summary(manifest) for manifest in found])
        return
    if not found:
        note("There are no dataset versions on this machine yet.")
        return
    rows = [
        (
            manifest.name,
            f"v{manifest.version}",
            f"{manifest.kept:,}",
            f"{sum(manifest.tokens.values()):,}",
            manifest.digest[:_SHORT],
            _when(manifest),
        )
        for manifest in found
    ]
    say(table(rows, header=("DATASET", "VERSION", "ROWS", "TOKENS", "DIGEST", "MADE (UTC)")))


@command.command()
@click.argument("version", metavar="NAME[@vN]")
@click.option(
    "--sample",
    type=click.IntRange(min=1),
    metavar="N",
    help="Print the first N lines instead; recorded in the lake's audit log.",
)
@_as_json
@project_options
def show(version: str, sample: int | None, as_json: bool, options: ProjectOptions) -> None:
    """Tell how a version came to be: from the population to the lines it holds."""
    with recorded_data(options) as data:
        catalog, manifest = data.version(version)
        if sample:
            _show_lines(data, catalog, manifest, sample)
        elif as_json:
            lines = [asdict(line) for line in manifest.lines]
            say_json({**_summary(manifest), "recipe": manifest.recipe, "lines": lines})
        else:
            lake = data.lake_of(manifest)
            say("\n".join(_told(manifest, lake.name if lake else manifest.lake_id)))


@command.command()
@click.argument("version", metavar="NAME[@vN]")
@project_options
def verify(version: str, options: ProjectOptions) -> int:
    """Check files and lines, build the version again from its lake, and compare digests.

    Ends with 1 when anything differs, naming files and lines.
    """
    from loopwright.lake.keys import Role
    from loopwright.lake.verifying import verify as verified

    with recorded_data(options) as data:
        catalog, manifest = data.version(version)
        place = data.lake_of(manifest)
        lake = place.open(Role.STANDARD) if place else None
        result = verified(catalog, manifest.name, manifest.version, lake=lake)
    which = f"{manifest.name} v{manifest.version}"
    for finding in result.findings:
        say(f"{which}: {finding}")
    if place is None:
        note(f"Its lake {manifest.lake_id} is not recorded here: nothing was built again.")
    if not result.ok:
        say(f"{which} is not what was built: {_counted(len(result.findings), 'finding')}.")
        return ExitCode.ERROR
    rebuilt = f", and Lake/{place.name} gives the same again" if place else ""
    left = _counted(manifest.kept - result.erased, "line")
    less = f", less {result.erased:,} erased" if result.erased else ""
    if result.expired:
        less += f", {result.expired:,} of them past the lake's retention and not built again"
    say(f"{which} is as it was built: {left}{less}{rebuilt}.")
    say(f"digest  {manifest.digest}")
    return ExitCode.DONE


@command.command()
@click.argument("before", metavar="NAME@vN")
@click.argument("after", metavar="NAME@vM")
@_as_json
@project_options
def diff(before: str, after: str, as_json: bool, options: ProjectOptions) -> None:
    """Compare two versions: calls that came and went, counts, and the recipe."""
    from loopwright.lake.version import diff as differ

    with recorded_data(options) as data:
        old, new = data.version(before)[1], data.version(after)[1]
    found = differ(old, new)
    if as_json:
        say_json(asdict(found))
    else:
        say("\n".join(_compared(f"{old.name} v{old.version}", f"{new.name} v{new.version}", found)))


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


def _summary(manifest: VersionManifest) -> dict[str, Any]:
    """A version without its lines, names as in a manifest."""
    return {
        "name": manifest.name,
        "version": manifest.version,
        "digest": manifest.digest,
        "createdAt": manifest.created_at,
        "lakeId": manifest.lake_id,
        "cut": manifest.cut,
        "population": manifest.population,
        "matched": manifest.matched,
        "sampled": manifest.sampled,
        "rows": manifest.kept,
        "dropped": manifest.dropped,
        "split": manifest.split,
        "tokens": manifest.tokens,
        "files": {name: asdict(facts) for name, facts in manifest.files.items()},
        "parent": asdict(manifest.parent) if manifest.parent else None,
        "tools": manifest.tools,
    }


def _told(manifest: VersionManifest, lake: str) -> Iterator[str]:
    yield f"{manifest.name} v{manifest.version}  made {_when(manifest)} UTC from lake {lake}"
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
            yield from _reasons(manifest.dropped, width)
    tokens = ", ".join(f"{count:,} {kind}" for kind, count in manifest.tokens.items())
    yield f"  tokens      {tokens}"
    for name, facts in manifest.files.items():
        yield f"  file        {name}: {facts.rows:,} rows, {size_words(facts.bytes)}"
    if parent := manifest.parent:
        change = f"{parent.added:,} calls came, {parent.removed:,} went"
        yield f"  since v{parent.version:<5}{change}"


def _drawn(manifest: VersionManifest) -> str:
    said = manifest.recipe["sampling"].items()
    return ", ".join(f"{name} {_said(value)}" for name, value in said)


def _reasons(dropped: Mapping[str, int], width: int) -> Iterator[str]:
    from loopwright.lake.reasons import DropReason

    for reason, count in dropped.items():
        yield f"    {'':<9} {count:>{width},}  {reason}: {DropReason(reason).meaning}"


def _split_words(manifest: VersionManifest) -> str:
    parts = [f"{count:,} {split}" for split, count in manifest.split["lines"].items()]
    by = f", split by {manifest.split['by']}" if len(parts) > 1 else ""
    return ", ".join(parts) + by


def _compared(before: str, after: str, found: VersionDiff) -> Iterator[str]:
    yield f"from {before} to {after}"
    yield (
        f"  {len(found.added):,} calls came, {len(found.removed):,} went, "
        f"{len(found.changed):,} give another line, {found.kept:,} are as before"
    )
    for title, changes in (("recipe", found.recipe), ("counts", found.counts)):
        if changes:
            yield f"  {title}"
            yield from (f"    {name}: {_said(a)} -> {_said(b)}" for name, (a, b) in changes.items())
    for sign, calls in (("+", found.added), ("-", found.removed), ("~", found.changed)):
        yield from (f"  {sign} {call}" for call in calls[:_NAMED_CALLS])
        if len(calls) > _NAMED_CALLS:
            yield f"  {sign} ... {len(calls) - _NAMED_CALLS:,} more; --json names all"


def _said(value: Any) -> str:
    if value is None:
        return "(unset)"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _when(manifest: VersionManifest) -> str:
    return manifest.created_at[:16].replace("T", " ")
