"""`loopwright lake compact`."""

from __future__ import annotations

import click

from loopwright.cli.common import ProjectOptions, project_options
from loopwright.cli.output import say
from loopwright.cli.recorded_data import recorded_data


@click.command()
@click.argument("name", metavar="[NAME]", required=False)
@project_options
def command(name: str | None, options: ProjectOptions) -> None:
    """Merge small files and clear what crashed writes left. Datasets do not change."""
    from loopwright.lake.compaction import compact as merge
    from loopwright.lake.keys import Role

    with recorded_data(options) as data:
        place = data.lake(name)
        done = merge(place.open(Role.STANDARD))
    if done.merged_files:
        say(
            f"Lake/{place.name}: {done.merged_files:,} files became {done.written_files:,}, "
            f"with {done.rows:,} calls in them."
        )
    else:
        say(f"Lake/{place.name}: nothing to merge.")
    if done.cleared:
        say(f"{done.cleared:,} leftover files were cleared away.")
