"""`loopwright describe`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from loopwright.cli.common import ProjectOptions, address, project_options
from loopwright.cli.output import say, say_json
from loopwright.errors import LoopwrightError

if TYPE_CHECKING:
    from loopwright.providers.base import Progress
    from loopwright.state.records import Record


@click.command()
@click.argument("resource", metavar="ADDRESS")
@click.option("--json", "as_json", is_flag=True, help="Print the record as JSON.")
@project_options
def command(resource: str, as_json: bool, options: ProjectOptions) -> None:
    """Tell all that state knows about one resource."""
    wanted = address(resource)
    record = options.workspace().state().record(wanted)
    if record is None:
        raise LoopwrightError(
            f"{wanted} is not recorded", hint="`loopwright get` lists what is; apply makes it"
        )
    if as_json:
        say_json(record.to_json())
        return
    from loopwright.cli.acting import project_of
    from loopwright.engine.inspection import progress_of

    workspace = options.workspace()
    running = progress_of(workspace, [record], project=lambda: project_of(options, workspace))
    say("\n".join(_lines(record, running.get(wanted))))


def _lines(record: Record, running: Progress | None) -> Iterator[str]:
    from loopwright.cli.records import condition_words, erasure_words, lines_of, progress_words
    from loopwright.planning.decisions import decision_lines

    yield f"{record.address}  ({condition_words(record)})"
    about = {
        "provider": record.provider,
        "external id": record.external_id,
        "wanted by": record.origin,
        "created": _time(record.created_at),
        "updated": _time(record.updated_at),
        "needs": ", ".join(record.dependencies),
        "protected": "preventDestroy" if record.prevent_destroy else "",
        "last error": record.last_error,
    }
    yield from (f"  {name}: {value}" for name, value in about.items() if value)
    if record.pending:
        yield "Running"
        yield from lines_of(
            {
                "action": record.pending.action,
                "progress": progress_words(running),
                "since": _time(record.pending.since),
                "reason": record.pending.reason,
                "key": record.pending.key,
            }
        )
    for title, value in (("Spec", record.spec), ("Outputs", record.outputs)):
        if value:
            yield title
            yield from lines_of(value)
    if record.promoted:
        yield "Promotion"
        if "value" in record.promoted:
            pointed = ", ".join(map(str, record.promoted["value"].values()))
            hold = record.hold
            back = f" (rolled back to generation {hold.revision} by {hold.by})" if hold else ""
            yield f"  promoted: {pointed}{back}"
        yield from (f"  {told}" for told in decision_lines(record))
    if record.revisions:
        yield "Revisions"
        for revision in reversed(record.revisions):
            mark = "*" if revision.number == record.current else " "
            error = f"  {revision.error}" if revision.error else ""
            facts = (f"v{revision.number}", revision.status.value, _time(revision.started_at))
            yield f" {mark}{'  '.join(facts)}  because {revision.reason or 'asked for'}{error}"
            yield from (f"    {sentence}" for sentence in erasure_words(revision))
    if record.conditions:
        yield "Conditions"
        for condition in record.conditions:
            words = "yes" if condition.status else "no"
            why = f"  {condition.reason}: {condition.message}" if condition.reason else ""
            yield f"  {condition.type}: {words}  since {_time(condition.since)}{why}"


def _time(text: str) -> str:
    return f"{text[:19].replace('T', ' ')} UTC" if text else ""
