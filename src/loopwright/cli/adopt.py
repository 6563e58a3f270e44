"""`loopwright adopt`."""

from __future__ import annotations

import click

from loopwright.cli.common import ProjectOptions, actor, address, project_options, session
from loopwright.cli.output import note, say
from loopwright.errors import LoopwrightError


@click.command()
@click.argument("arguments", nargs=-1, metavar="[ADDRESS] [PATHS]...")
@click.option("--id", "external_id", help="Its id at the provider. Default: looked up by name.")
@click.option(
    "--absent", is_flag=True, help="Say that a create whose answer was lost had no effect."
)
@click.option("--all", "everything", is_flag=True, help="Whatever is declared and exists.")
@project_options
def command(
    arguments: tuple[str, ...],
    external_id: str | None,
    absent: bool,
    everything: bool,
    options: ProjectOptions,
) -> None:
    """Take an existing object over, without changing it.

    With --all, rebuilds a lost state from what exists and bears our tags or names.
    """
    from loopwright.engine.adopting import Adopting

    if not arguments and not everything:
        raise LoopwrightError("nothing was named", hint="name one ADDRESS, or give --all")
    workspace = options.workspace()
    paths = arguments if everything else arguments[1:]
    with session(workspace, "adopt") as opened:
        declared = options.declare(workspace, paths, opened)
        adopting = Adopting(workspace, declared, opened, by=actor())
        if everything:
            told = list(adopting.everything())
            for line in told:
                say(line)
            if not told:
                note("Nothing to adopt: what is declared and exists is recorded already.")
        elif absent:
            say(adopting.absent(address(arguments[0])))
        else:
            say(adopting.one(address(arguments[0]), external_id))
