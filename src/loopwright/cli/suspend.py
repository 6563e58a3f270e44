"""`loopwright suspend`."""

from __future__ import annotations

from datetime import datetime, timedelta

import click

from loopwright.cli.common import ProjectOptions, actor, address, project_options, session
from loopwright.cli.durations import DURATION, MOMENT
from loopwright.cli.output import say
from loopwright.errors import LoopwrightError


@click.command()
@click.argument("resource", metavar="[ADDRESS]", required=False)
@click.option(
    "--all", "everything", is_flag=True, help="The whole environment; its watcher pauses too."
)
@click.option("--reason", required=True, help="Why, for everybody who looks.")
@click.option("--until", "moment", type=MOMENT, metavar="DATE", help="It ends by itself then.")
@click.option("--for", "seconds", type=DURATION, metavar="4h", help="It ends by itself after it.")
@project_options
def command(
    resource: str | None,
    everything: bool,
    reason: str,
    moment: datetime | None,
    seconds: int | None,
    options: ProjectOptions,
) -> None:
    """Leave a resource, or everything, alone for a while.

    No pass creates, changes or deletes what is suspended. What runs at a provider goes on.
    """
    from loopwright.gitops.suspension import in_words, new_suspension, suspend

    if bool(resource) == everything:
        raise click.UsageError("name one ADDRESS, or give --all")
    if moment is not None and seconds is not None:
        raise click.UsageError("give --until or --for, not both")
    workspace = options.workspace()
    now = workspace.clock.now()
    until = now + timedelta(seconds=seconds) if seconds is not None else moment
    if until is not None and until <= now:
        raise LoopwrightError(f"{until:%Y-%m-%dT%H:%M:%SZ} is over", hint="give a later --until")
    suspension = new_suspension(by=actor(), reason=reason, until=until, now=now)
    chosen = address(resource) if resource else None
    with session(workspace, "suspend") as opened:
        suspend(opened, chosen, suspension)
    say(f"{chosen or 'Everything'} {in_words(suspension)}")
