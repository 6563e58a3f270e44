"""An evaluation as Markdown, for a pull request: what it came to, in tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from loopwright.evaluation.reports.words import (
    VERDICTS,
    between,
    headline,
    percent,
    points,
    score_in,
    short,
    signed,
    verdict,
    when,
)
from loopwright.evaluation.results import Difference, EvaluationResult, Part, Score


def markdown(result: EvaluationResult) -> str:
    """The report as text; questions and answers are not part of it."""
    return "\n".join(_lines(result)) + "\n"


def _lines(result: EvaluationResult) -> Iterator[str]:
    yield f"## Evaluation {result.name}@{result.revision}: {cell(result.subjects[0].label)}"
    yield ""
    yield cell(" ".join(headline(result)))
    yield ""
    yield from _scores(result)
    for comparison in result.comparisons:
        if _part(result, comparison.other) != Part.FLOOR:
            yield ""
            yield f"### Question by question against {cell(comparison.other)}"
            yield ""
            yield from _differences(
                [("**all**", comparison.composite), *comparison.datasets.items()]
            )
    yield ""
    if result.notes:
        yield from (f"- {cell(note)}" for note in result.notes)
        yield ""
    done = f", {when(result.finished_at)}" if result.finished_at else ""
    told = f"EvalSuite/{result.suite}, {percent(result.confidence)} intervals by bootstrap{done}"
    yield f"<sub>{cell(told)}. {_digests(result)}</sub>"


def _part(result: EvaluationResult, label: str) -> Part | None:
    return next((s.part for s in result.subjects if s.label == label), None)


def _scores(result: EvaluationResult) -> Iterator[str]:
    subjects = result.subjects
    yield row(["points of 100", *(cell(s.label) for s in subjects)])
    yield row(["---", *("--:" for _ in subjects)])
    yield row(["**all**", *(_score(s.composite) for s in subjects)])
    for name in subjects[0].capabilities:
        yield row([f"**{cell(name)}**", *(_score(s.capabilities.get(name)) for s in subjects)])
        for entry in subjects[0].datasets:
            if entry.capability == name:
                told = f"{cell(entry.dataset)} ({entry.method}, {entry.score.items:,})"
                yield row([told, *(_score(score_in(s, entry)) for s in subjects)])


def _score(score: Score | None) -> str:
    if score is None:
        return "–"
    failed = f", {score.failed:,} failed" if score.failed else ""
    low, high = points(score.interval.low), points(score.interval.high)
    return f"{points(score.score)} ({low} … {high}{failed})"


def _differences(found: Sequence[tuple[str, Difference]]) -> Iterator[str]:
    yield row(["", "difference", "", "better / same / worse"])
    yield row(["---", "--:", "---", "--:"])
    for name, difference in found:
        yield row(
            [
                name if name.startswith("**") else cell(name),
                f"{signed(difference.difference)}, {between(difference.interval)}",
                VERDICTS[verdict(difference)],
                f"{difference.wins:,} / {difference.ties:,} / {difference.losses:,}",
            ]
        )


def _digests(result: EvaluationResult) -> str:
    known = ((s.label, s.digest) for s in result.subjects if s.digest)
    return ", ".join(f"{cell(label)} `{short(digest)}`" for label, digest in known)


def row(cells: Sequence[str]) -> str:
    """A line of a table."""
    return f"| {' | '.join(cells)} |"


def cell(text: str) -> str:
    """Text of others that stays text: no table, emphasis, link or HTML comes of it."""
    marked = "".join(f"\\{sign}" if sign in "\\`*_[]|#" else sign for sign in text)
    return " ".join(marked.replace("&", "&amp;").replace("<", "&lt;").split())
