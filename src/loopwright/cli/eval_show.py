"""`loopwright eval show`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from textwrap import wrap
from typing import TYPE_CHECKING

import click

from loopwright.cli.common import ProjectOptions, project_options
from loopwright.cli.eval_runs import AS_JSON, RUN, find, recorded_runs
from loopwright.cli.output import note, say, say_json, table, width

if TYPE_CHECKING:
    from loopwright.evaluation.results import Comparison, Difference, EvaluationResult, Score


@click.command()
@click.argument("run", metavar=RUN)
@AS_JSON
@project_options
def command(run: str, as_json: bool, options: ProjectOptions) -> None:
    """Tell what an evaluation came to: scores with intervals, differences question by question.

    RUN is a name, NAME@2 or EvalRun/NAME@2; without a revision the newest.
    """
    found = find(recorded_runs(options), run)
    result = found.folder.result()
    if edited := found.edited(result):
        note(f"warning: {edited}")
    if as_json:
        say_json(asdict(result))
        return
    say("\n".join(_told(result)))
    say(f"\nreport  {found.folder.page}")


def _told(result: EvaluationResult) -> Iterator[str]:
    from loopwright.evaluation.reports.words import headline, percent, when

    yield from wrap(" ".join(headline(result)), width())
    yield ""
    yield table(_scores(result), header=("points of 100", *(s.label for s in result.subjects)))
    for comparison in result.comparisons:
        yield ""
        header = (f"against {comparison.other}", "DIFFERENCE", "BETWEEN", "BETTER/SAME/WORSE")
        yield table(_differences(comparison), header=header)
    yield ""
    yield from (f"note    {line}" for line in result.notes)
    yield f"suite   {result.suite}, {percent(result.confidence)} intervals"
    yield from (f"made    {when(result.finished_at)}" for _ in [0] if result.finished_at)
    yield f"digest  {result.digest}"


def _scores(result: EvaluationResult) -> Iterator[list[str]]:
    from loopwright.evaluation.reports.words import score_in

    subjects = result.subjects
    for name in subjects[0].capabilities:
        yield [name, *(_score(subject.capabilities.get(name)) for subject in subjects)]
        for entry in subjects[0].datasets:
            if entry.capability == name:
                told = f"  {entry.dataset} ({entry.method})"
                yield [told, *(_score(score_in(subject, entry)) for subject in subjects)]
    yield ["all", *(_score(subject.composite) for subject in subjects)]


def _score(score: Score | None) -> str:
    from loopwright.evaluation.reports.words import points

    if score is None:
        return "-"
    half = max(score.interval.high - score.score, score.score - score.interval.low)
    return f"{points(score.score)} ±{points(half)}"


def _differences(comparison: Comparison) -> Iterator[list[str]]:
    for name, difference in comparison.capabilities.items():
        yield [name, *_difference(difference)]
    yield ["all", *_difference(comparison.composite)]


def _difference(difference: Difference) -> list[str]:
    from loopwright.evaluation.reports.words import signed, verdict

    low, high = signed(difference.interval.low), signed(difference.interval.high)
    clear = "" if verdict(difference) != "unclear" else " (unclear)"
    outcomes = f"{difference.wins:,}/{difference.ties:,}/{difference.losses:,}"
    return [signed(difference.difference), f"{low} … {high}{clear}", outcomes]
