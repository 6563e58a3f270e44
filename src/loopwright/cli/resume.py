"""`loopwright resume`."""

from __future__ import annotations

import click

from loopwright.cli.common import ProjectOptions, address, project_options, session
from loopwright.cli.output import note, say


@click.command()
@click.argument("resource", metavar="[ADDRESS]", required=False)
@click.option("--all", "everything", is_flag=True, help="The whole environment.")
@project_options
def command(resource: str | None, everything: bool, options: ProjectOptions) -> None:
    """End a suspension; the next pass goes on with what was left alone."""
    from loopwright.gitops.suspension import resume

    if bool(resource) == everything:
        raise click.UsageError("name one ADDRESS, or give --all")
    chosen = address(resource) if resource else None
    with session(options.workspace(), "resume") as opened:
        count = resume(opened, chosen)
    if count:
        say(f"{chosen or 'Everything'} is no longer suspended.")
    else:
        note(f"{chosen or 'Nothing'} was {'not ' if chosen else ''}suspended.")
