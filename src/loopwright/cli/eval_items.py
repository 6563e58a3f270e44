"""`loopwright eval items`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from itertools import islice
from typing import TYPE_CHECKING

import click

from loopwright.cli.common import ProjectOptions, project_options
from loopwright.cli.eval_runs import AS_JSON, RUN, find, may_read, recorded_runs
from loopwright.cli.output import note, say

if TYPE_CHECKING:
    from loopwright.evaluation.results import EvaluationResult, ItemRecord


@click.command()
@click.argument("run", metavar=RUN)
@click.option("--failed", is_flag=True, help="Only those without full points for the evaluated.")
@click.option("--errors", is_flag=True, help="Only those without an answer of the evaluated.")
@click.option(
    "--lost", is_flag=True, help="Only those that a model it is compared with did better."
)
@click.option("--dataset", metavar="NAME", help="Only of this dataset, or CAPABILITY/NAME.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="At most so many.")
@AS_JSON
@project_options
def command(
    run: str,
    failed: bool,
    errors: bool,
    lost: bool,
    dataset: str | None,
    limit: int | None,
    as_json: bool,
    options: ProjectOptions,
) -> None:
    """Print questions with what was expected and what everybody answered.

    RUN is a name, NAME@2 or EvalRun/NAME@2. With --json a line of JSON each.
    """
    may_read(options)
    folder = find(recorded_runs(options), run).folder
    result, records = folder.load()
    kept: Iterable[ItemRecord] = records
    if failed:
        kept = (record for record in kept if _points(record, result) < 100)
    if errors:
        kept = (record for record in kept if record.answers[result.subjects[0].label].error)
    if lost:
        kept = (record for record in kept if _is_lost(record, result))
    if dataset:
        kept = (r for r in kept if dataset in (r.dataset, f"{r.capability}/{r.dataset}"))
    chosen = list(islice(kept, limit))
    for record in chosen:
        say(_json(record) if as_json else "\n".join([*_told(record), ""]))
    note(f"{len(chosen):,} of {len(records):,} items")


def _points(record: ItemRecord, result: EvaluationResult) -> float:
    return record.answers[result.subjects[0].label].score


def _is_lost(record: ItemRecord, result: EvaluationResult) -> bool:
    from loopwright.evaluation.results import Part

    others = [s.label for s in result.subjects if s.part == Part.BASELINE]
    return any(record.answers[name].score > _points(record, result) for name in others)


def _json(record: ItemRecord) -> str:
    import orjson

    return orjson.dumps(asdict(record), default=str).decode()


def _told(record: ItemRecord) -> Iterator[str]:
    from loopwright.evaluation.reports.items import message_text, shown
    from loopwright.evaluation.reports.words import points

    yield f"{record.capability}/{record.dataset}  {record.id}"
    for message in record.messages:
        yield from _block(str(message.get("role", "")), message_text(message))
    yield from _block("expected", shown(record.expected))
    for label, answer in record.answers.items():
        text = "\n".join(filter(None, [answer.text, *map(shown, answer.tool_calls)]))
        yield from _block(f"{label}: {points(answer.score)}", text)
        yield from (f"    ({why})" for why in (answer.reason, answer.error) if why)


def _block(head: str, text: str) -> Iterator[str]:
    yield f"  {head}"
    yield from (f"    {line}" for line in text.splitlines() or ["(nothing)"])
