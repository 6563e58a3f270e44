"""`loopwright erase`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from loopwright.cli.common import ProjectOptions, project_options, session
from loopwright.cli.erasure_keys import closing_words
from loopwright.cli.output import note, say, say_json
from loopwright.errors import DecisionNeededError

if TYPE_CHECKING:
    from pathlib import Path

    from loopwright.cli.erasing import ErasurePlan
    from loopwright.engine.workspace import Workspace


_LOCK_SECONDS = 30.0


@click.command()
@click.option("--subject", metavar="ID", help="The end user, as requests name it.")
@click.option("--resume", is_flag=True, help="Finish erasures that were interrupted.")
@click.option("--lake", metavar="NAME", help="Only in this lake. Default: in all.")
@click.option("--plan", "only_plan", is_flag=True, help="Show what would go, and change nothing.")
@click.option("--yes", "sure", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="Print the plan, or the receipt, as JSON.")
@project_options
def command(
    subject: str | None,
    resume: bool,
    lake: str | None,
    only_plan: bool,
    sure: bool,
    as_json: bool,
    options: ProjectOptions,
) -> None:
    """Erase the calls of an end user, for good: rows, feedback, dataset lines, exported lines.

    The partitions that hold them are written anew under new keys, and the old keys destroyed. A
    master key that was made here is renewed at the end, so that older copies of the lake close too:
    back it up again, since a backup of the old key together with an old copy still opens. One of
    your own stays: `loopwright lake rotate` closes older copies. What was trained on the calls, or
    copied elsewhere, is marked.
    """
    from loopwright.cli.acting import caller
    from loopwright.cli.erasing import Erasure
    from loopwright.cli.erasure_words import plan_json, plan_lines
    from loopwright.cli.recorded_data import recorded_data
    from loopwright.gateway.settings import Role as ActingRole
    from loopwright.lake.keys import Role

    if bool(subject) == resume:
        raise click.UsageError("give --subject ID, or --resume")
    workspace = options.workspace()
    caller(options, workspace).must_be(ActingRole.ADMIN, "erase")
    with recorded_data(options) as data:
        erasure = Erasure(workspace, data, subject=subject, lake=lake)
        if only_plan:
            plan = erasure.plan(workspace.state().records(), Role.READER)
            say_json(plan_json(plan)) if as_json else say("\n".join(plan_lines(plan)))
            return
        with session(workspace, "erase", wait_seconds=_LOCK_SECONDS) as opened:
            erasure.settle(Role.ADMIN)
            last = erasure.closed(Role.ADMIN)
            plan = erasure.plan(opened.records(), Role.ADMIN)
            if plan.empty and resume and not as_json:
                say(_nothing_left(last))
            elif not as_json:
                say("\n".join(plan_lines(plan)))
            elif plan.empty:
                say_json(plan_json(plan))
            if plan.empty:
                return
            if not sure:
                _confirm()
            receipt = erasure.apply(opened, plan, Role.ADMIN)
    if as_json:
        say(receipt.read_text(encoding="utf-8").rstrip())
        return
    say(f"Erased. The receipt is {receipt}.")
    _say_what_is_left(workspace, plan)


def _say_what_is_left(workspace: Workspace, plan: ErasurePlan) -> None:
    for name in _other_environments(workspace):
        note(f"Environment {name} may have datasets and exports of its own: erase there too.")
    for words in closing_words(plan.keys):
        note(words)


def _nothing_left(receipt: Path | None) -> str:
    told = "No erasure is left to finish."
    return f"{told} The last receipt is {receipt}." if receipt else told


def _other_environments(workspace: Workspace) -> list[str]:
    states = workspace.state_dir.parent.glob("*/state.db")
    return sorted(path.parent.name for path in states if path.parent != workspace.state_dir)


def _confirm() -> None:
    if not sys.stdin.isatty():
        raise DecisionNeededError("erasing has to be approved", hint="add --yes")
    click.confirm("Erase this for good?", abort=True, err=True)
