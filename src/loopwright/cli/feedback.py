"""`loopwright feedback`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from loopwright.cli.common import ProjectOptions, actor, project_options
from loopwright.cli.output import say
from loopwright.errors import LoopwrightError

if TYPE_CHECKING:
    from loopwright.cli.recorded_data import RecordedData, RecordedLake
    from loopwright.engine.workspace import Workspace
    from loopwright.lake.store import Lake

Row = dict[str, Any]

_SOURCES = click.Choice(["human", "app", "judge"])


@click.command()
@click.argument("call_id")
@click.option("--name", metavar="N", help="What is judged. Default: the kind of feedback.")
@click.option("--score", type=float, metavar="X", help="A number.")
@click.option("--label", metavar="L", help="A word.")
@click.option("--good/--bad", "good", default=None, help="A thumb up, or down.")
@click.option(
    "--correct",
    "correction",
    metavar="TEXT|@FILE",
    help="The answer as it should have been: a text, or the JSON of an assistant message.",
)
@click.option("--comment", metavar="TEXT|@FILE", help="A remark.")
@click.option("--source", type=_SOURCES, default="human", show_default=True, help="Who says it.")
@project_options
def command(
    call_id: str,
    name: str | None,
    score: float | None,
    label: str | None,
    good: bool | None,
    correction: str | None,
    comment: str | None,
    source: str,
    options: ProjectOptions,
) -> None:
    """Attach scores, labels or a corrected answer to a recorded call. @- reads standard input."""
    from loopwright.cli.acting import caller
    from loopwright.cli.recorded_data import recorded_data
    from loopwright.lake.feedback import given
    from loopwright.lake.ingest import append_feedback

    workspace = options.workspace()
    who = caller(options, workspace)
    values = dict(_values(score, label, good, correction, comment))
    if not values:
        raise click.UsageError("say something: --score, --label, --good, --correct or --comment")
    with recorded_data(options) as data:
        place, endpoint = _home(data, call_id)
        about = {
            "call_id": call_id,
            "endpoint": endpoint,
            "source": source,
            "author": who.name or actor(),
            "ts": workspace.clock.now(),
        }
        lake = place.open_to_add()
        clean = _redactor(workspace, lake, endpoint)
        append_feedback(lake, [clean(row) for row in given(values, name=name, about=about)])
    say(f"{', '.join(values)} on {call_id}: kept in Lake/{place.name}.")


def _redactor(workspace: Workspace, lake: Lake, endpoint: str) -> Callable[[Row], Row]:
    """What the delivery of the call's endpoint does to text, done to feedback as well."""
    from loopwright.daemon.configuring import deliveries_of
    from loopwright.daemon.declared import DaemonFolder
    from loopwright.gateway.feedback import redacted
    from loopwright.gateway.redaction import redactor

    delivery = deliveries_of(DaemonFolder(workspace.state_dir)).get(endpoint)
    clean = redactor(delivery.redaction, lake.hash_keys) if delivery else None
    return lambda row: redacted(row, clean) if clean else row


def _values(
    score: float | None,
    label: str | None,
    good: bool | None,
    correction: str | None,
    comment: str | None,
) -> Iterator[tuple[str, Any]]:
    """What was said, by kind as `lake.feedback` names them."""
    said = {
        "score": score,
        "label": label,
        "good": good,
        "correction": _text(correction),
        "comment": _text(comment),
    }
    yield from ((kind, value) for kind, value in said.items() if value is not None)


def _text(said: str | None) -> str | None:
    if said is None or not said.startswith("@"):
        return said
    if said == "@-":
        return sys.stdin.read()
    try:
        return Path(said[1:]).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise LoopwrightError(f"cannot read {said[1:]}: {error}") from error


def _home(data: RecordedData, call_id: str) -> tuple[RecordedLake, str]:
    """The lake that holds the call, and the call's endpoint."""
    from loopwright.lake.keys import Role
    from loopwright.lake.lookup import endpoints_of

    for place in data.lakes:
        lake = place.open(Role.READER)
        found = endpoints_of(lake, lake.manifest.head(), [call_id])
        if call_id in found:
            return place, found[call_id]
    raise LoopwrightError(
        f"no lake here holds the call {call_id}",
        hint="`loopwright lake calls` lists them; a call appears seconds after it has ended",
    )
