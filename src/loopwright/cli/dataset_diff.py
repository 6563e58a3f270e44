"""`loopwright dataset diff`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from loopwright.cli.common import ProjectOptions, project_options
from loopwright.cli.dataset_words import AS_JSON, said
from loopwright.cli.output import say, say_json
from loopwright.cli.recorded_data import recorded_data

if TYPE_CHECKING:
    from loopwright.lake.datasets.version import VersionDiff

_NAMED_CALLS = 10


@click.command()
@click.argument("before", metavar="NAME@vN")
@click.argument("after", metavar="NAME@vM")
@AS_JSON
@project_options
def command(before: str, after: str, as_json: bool, options: ProjectOptions) -> None:
    """Compare two versions: calls that came and went, counts, and the recipe."""
    from loopwright.lake.datasets.version import diff as differ

    with recorded_data(options) as data:
        old, new = data.version(before)[1], data.version(after)[1]
    found = differ(old, new)
    if as_json:
        say_json(asdict(found))
    else:
        say("\n".join(_compared(f"{old.name} v{old.version}", f"{new.name} v{new.version}", found)))


def _compared(before: str, after: str, found: VersionDiff) -> Iterator[str]:
    yield f"from {before} to {after}"
    yield (
        f"  {len(found.added):,} calls came, {len(found.removed):,} went, "
        f"{len(found.changed):,} give another line, {found.kept:,} are as before"
    )
    for title, changes in (("recipe", found.recipe), ("counts", found.counts)):
        if changes:
            yield f"  {title}"
            yield from (f"    {name}: {said(a)} -> {said(b)}" for name, (a, b) in changes.items())
    for sign, calls in (("+", found.added), ("-", found.removed), ("~", found.changed)):
        yield from (f"  {sign} {call}" for call in calls[:_NAMED_CALLS])
        if len(calls) > _NAMED_CALLS:
            yield f"  {sign} ... {len(calls) - _NAMED_CALLS:,} more; --json names all"
