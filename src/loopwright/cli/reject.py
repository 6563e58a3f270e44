"""`loopwright reject`."""

from __future__ import annotations

import click

from loopwright.cli.common import (
    ProjectOptions,
    actor,
    address,
    manifest_paths,
    project_options,
    session,
)
from loopwright.cli.output import say


@click.command()
@click.argument("resource", metavar="ADDRESS")
@manifest_paths
@click.option("--reason", default="", help="Why, for everybody who looks.")
@project_options
def command(resource: str, paths: tuple[str, ...], reason: str, options: ProjectOptions) -> None:
    """Keep the candidate of a promoted endpoint out; the next one is judged anew."""
    from loopwright.engine.mending import decide

    workspace = options.workspace()
    with session(workspace, "reject") as opened:
        declared = options.declare(workspace, paths, opened)
        told = decide(
            declared,
            opened,
            address(resource),
            approves=False,
            by=actor(),
            reason=reason,
            clock=workspace.clock,
        )
    say(told)
