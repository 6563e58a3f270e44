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
from loopwright.errors import StateLockedError


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
        from loopwright.cli.acting import project_of
        from loopwright.engine.mending import TAKEN_BACK, decide
        from loopwright.engine.taking_back import take_back

        workspace, wanted, by = options.workspace(), address(resource), actor()
        ended = not approves and take_back(
            workspace,
            wanted,
            by=by,
            reason=reason,
            project=lambda: project_of(options, workspace),
        )
        try:
            with session(workspace, word) as opened:
                message = decide(
                    options.declare(workspace, paths, opened),
                    opened,
                    wanted,
                    approves=approves,
                    by=by,
                    reason=reason,
                    clock=workspace.clock,
                    ended=ended,
                )
        except StateLockedError:
            if not ended:
                raise
            message = f"{wanted}: {TAKEN_BACK}; the apply that waits for it takes note."
        say(message)

    return command
