"""`loopwright logs`."""

from __future__ import annotations

import click

from loopwright.cli.common import ProjectOptions, address, project_options
from loopwright.cli.output import say
from loopwright.errors import LoopwrightError


@click.command()
@click.argument("resource", metavar="ADDRESS")
@project_options
def command(resource: str, options: ProjectOptions) -> None:
    """Print what the newest run of a resource has written."""
    from loopwright.engine.inspection import logs_of

    workspace = options.workspace()
    wanted = address(resource)
    lines = logs_of(workspace, wanted)
    if lines is None:
        raise LoopwrightError(
            f"there are no logs of {wanted}", hint="only runs that a provider keeps logs of have"
        )
    for line in lines:
        say(line)
