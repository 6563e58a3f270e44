"""`loopwright get`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from loopwright.cli.common import ProjectOptions, project_options
from loopwright.cli.output import note, say, say_json, table
from loopwright.errors import LoopwrightError

if TYPE_CHECKING:
    from loopwright.providers.base import Progress
    from loopwright.state.records import Record


@click.command()
@click.argument("kinds", nargs=-1, metavar="[KIND | KIND/NAME]...")
@click.option("-l", "--label", "labels", multiple=True, metavar="NAME=VALUE", help="With a label.")
@click.option("--json", "as_json", is_flag=True, help="Print the records as JSON.")
@project_options
def command(
    kinds: tuple[str, ...], labels: tuple[str, ...], as_json: bool, options: ProjectOptions
) -> None:
    """List resources as state records them, a line each."""
    from loopwright.cli.acting import project_of
    from loopwright.cli.records import matches
    from loopwright.engine.inspection import progress_of
    from loopwright.manifests.diagnostics import nearest
    from loopwright.resources.registry import kinds as known_kinds

    for text in kinds:
        kind = text.partition("/")[0]
        if not kind.isidentifier():
            raise LoopwrightError(
                f"{text!r} is no kind",
                hint="it lists what is recorded, whichever manifests made it: name no path",
            )
        if kind not in known_kinds():
            near = nearest(kind, known_kinds())
            raise LoopwrightError(
                f"there is no kind {kind!r}",
                hint=f"did you mean {near}?" if near else f"kinds: {', '.join(known_kinds())}",
            )
    workspace = options.workspace()
    found = [
        record
        for _, record in sorted(workspace.state().records().items())
        if matches(record, kinds, labels)
    ]
    if as_json:
        say_json([record.to_json() for record in found])
        return
    if not found:
        note("Nothing is recorded that matches." if kinds or labels else "Nothing is recorded yet.")
        return
    running = progress_of(workspace, found, project=lambda: project_of(options, workspace))
    rows = [
        (
            str(record.address),
            record.provider or "-",
            f"v{record.outputs.get('version', record.current)}" if record.current else "-",
            _condition(record, running.get(record.address)),
            record.updated_at[:19].replace("T", " "),
        )
        for record in found
    ]
    say(table(rows, header=("ADDRESS", "PROVIDER", "REVISION", "CONDITION", "UPDATED (UTC)")))


def _condition(record: Record, running: Progress | None) -> str:
    """E.g. `ready`, `run running: 120 of 300 steps, loss 0.412`."""
    from loopwright.cli.records import condition_words, progress_words

    return ": ".join(filter(None, (condition_words(record), progress_words(running))))
