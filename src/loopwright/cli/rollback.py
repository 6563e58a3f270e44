"""`loopwright rollback`."""

from __future__ import annotations

import click

from loopwright.cli.common import ProjectOptions, actor, address, project_options, session
from loopwright.cli.output import say


@click.command()
@click.argument("resource", metavar="ADDRESS")
@click.option("--to", "revision", type=click.IntRange(1), help="Revision. Default: the one before.")
@click.option("--reason", default="rolled back by hand", help="Why, for everybody who looks.")
@project_options
def command(resource: str, revision: int | None, reason: str, options: ProjectOptions) -> None:
    """Go back to an earlier revision, and stay there until the manifest says something new.

    Of a run this is a pointer swap. Of a standing resource the earlier spec becomes what is
    desired; the next apply brings it about.
    """
    from loopwright.engine.mending import roll_back

    workspace = options.workspace()
    with session(workspace, "rollback") as opened:
        told = roll_back(
            opened, address(resource), revision, by=actor(), reason=reason, clock=workspace.clock
        )
    say(told)
