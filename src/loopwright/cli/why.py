"""`loopwright why`."""

from __future__ import annotations

import click

from loopwright.cli.common import ProjectOptions, address, manifest_paths, project_options
from loopwright.cli.output import say


@click.command()
@click.argument("resource", metavar="ADDRESS")
@manifest_paths
@project_options
def command(resource: str, paths: tuple[str, ...], options: ProjectOptions) -> None:
    """Tell who wants a resource, what it waits for, and when it is tried next."""
    from loopwright.engine.inspection import why

    workspace = options.workspace()
    declared = options.declare(workspace, paths)
    for line in why(workspace, declared, address(resource)):
        say(line)
