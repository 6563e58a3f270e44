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
    """Let go what is past its retention, merge small files, clear what crashed writes left.

    The daemon does the same by itself. Dataset versions do not change.
    """
    from loopwright.lake.compaction import compact as merge
    from loopwright.lake.erasing.retention import enforce
    from loopwright.lake.keys import Role

    with recorded_data(options) as data:
        place = data.lake(name)
        lake = place.open(Role.STANDARD)
        kept = lake.retention
        gone = enforce(lake, text=kept.text, metadata=kept.metadata, now=lake.clock.now())
        done = merge(lake)
    if gone.text_gone:
        rows = f"{gone.text_gone:,} calls and remarks"
        say(f"Lake/{place.name}: the text of {rows} was past its time.")
    if gone.calls_gone or gone.feedback_gone:
        say(
            f"Lake/{place.name}: {gone.calls_gone:,} calls and {gone.feedback_gone:,} rows of "
            "feedback were past their time."
        )
    if done.merged_files:
        say(
            f"Lake/{place.name}: {done.merged_files:,} files became {done.written_files:,}, "
            f"with {done.rows:,} calls in them."
        )
    else:
        say(f"Lake/{place.name}: nothing to merge.")
    if done.cleared:
        say(f"{done.cleared:,} leftover files were cleared away.")
