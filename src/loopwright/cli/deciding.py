"""What `approve` and `reject` share: a person's word on the candidate of a promoted endpoint."""

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


def decision(word: str, *, approves: bool, told: str) -> click.Command:
    """The command `word`, whose help is `told`."""

    @click.command(help=told)
    @click.argument("resource", metavar="ADDRESS")
    @manifest_paths
    @click.option("--reason", default="", help="Why, for everybody who looks.")
    @project_options
    def command(
        resource: str, paths: tuple[str, ...], reason: str, options: ProjectOptions
    ) -> None:
        from loopwright.engine.mending import decide

        workspace = options.workspace()
        with session(workspace, word) as opened:
            declared = options.declare(workspace, paths, opened)
            message = decide(
                declared,
                opened,
                address(resource),
                approves=approves,
                by=actor(),
                reason=reason,
                clock=workspace.clock,
            )
        say(message)

    return command
