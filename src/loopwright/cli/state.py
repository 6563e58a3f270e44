"""`loopwright state`."""

from __future__ import annotations

import click

from loopwright.cli.common import ProjectOptions, actor, address, project_options, session
from loopwright.cli.output import note, say, say_json
from loopwright.errors import LoopwrightError


@click.group()
def command() -> None:
    """Look at the state, and mend it."""


@command.command("list")
@project_options
def list_(options: ProjectOptions) -> None:
    """Every recorded address, a line each."""
    records = options.workspace().state().records()
    for found in sorted(records):
        say(str(found))
    if not records:
        note("Nothing is recorded yet.")


@command.command()
@click.argument("resource", metavar="[ADDRESS]", required=False)
@project_options
def show(resource: str | None, options: ProjectOptions) -> None:
    """One record, or all of the state, as JSON."""
    from loopwright.state.export import export_state

    state = options.workspace().state()
    if resource is None:
        say_json(export_state(state))
        return
    record = state.record(address(resource))
    if record is None:
        raise LoopwrightError(f"{resource} is not recorded", hint="see `loopwright state list`")
    say_json(record.to_json())


@command.command()
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
@project_options
def mv(source: str, target: str, options: ProjectOptions) -> None:
    """Give a record another name. A `moved` entry in loopwright.yaml does it for everybody."""
    from loopwright.engine.mending import move

    workspace = options.workspace()
    with session(workspace, "state mv") as opened:
        say(move(opened, address(source), address(target), by=actor(), clock=workspace.clock))


@command.command()
@click.argument("resources", nargs=-1, required=True, metavar="ADDRESS...")
@project_options
def rm(resources: tuple[str, ...], options: ProjectOptions) -> None:
    """Forget records. What they stand for stays as it is, and is nobody's."""
    from loopwright.engine.mending import forget

    workspace = options.workspace()
    with session(workspace, "state rm") as opened:
        for told in forget(opened, [address(text) for text in resources], by=actor()):
            say(told)
