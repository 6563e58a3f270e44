"""`loopwright accept-drift`."""

from __future__ import annotations

from datetime import datetime

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
@click.argument("field", metavar="FIELD")
@click.option(
    "--until",
    required=True,
    type=click.DateTime(["%Y-%m-%d"]),
    help="Date from which it is drift again.",
)
@manifest_paths
@project_options
def command(
    resource: str, field: str, until: datetime, paths: tuple[str, ...], options: ProjectOptions
) -> None:
    """Silence one difference until a date. Other differences are told as before."""
    from loopwright.engine.mending import accept_drift

    workspace = options.workspace()
    with session(workspace, "accept-drift") as opened:
        declared = options.declare(workspace, paths, opened)
        told = accept_drift(
            workspace, declared, opened, address(resource), field, until=until, by=actor()
        )
    say(told)
