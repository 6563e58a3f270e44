"""What a result says in plain words; the page, the Markdown and the terminal say the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from loopwright.evaluation.results import (
    Comparison,
    DatasetScore,
    Difference,
    EvaluationResult,
    Interval,
    Part,
    Score,
    Subject,
)

Verdict = Literal["better", "worse", "unclear"]
VERDICTS: dict[Verdict, str] = {
    "better": "better",
    "worse": "worse",
    "unclear": "no clear difference",
}
PARTS = {
    Part.EVALUATED: "the model that was evaluated",
    Part.BASELINE: "a model it is compared with",
    Part.FLOOR: "needs no model",
}
FLOORS = {
    "most frequent answer": "always gives the answer that is most frequent in the training data",
    "nearest question": "gives the answer of the training question that shares most words",
}
"""What the answers do that need no model."""


def points(value: float) -> str:
    """`91.2`; never `-0.0`."""
    return f"{value + 0.0:.1f}" if round(value, 1) else "0.0"


def signed(value: float) -> str:
    """`+88.1`, `−2.0`."""
    text = points(abs(value))
    return text if text == "0.0" else ("+" if value > 0 else "\N{MINUS SIGN}") + text


def between(interval: Interval) -> str:
    """`between 85.0 and 91.0`."""
    return f"between {_bound(interval.low)} and {_bound(interval.high)}"


def _bound(value: float) -> str:
    return points(value) if round(value, 1) >= 0 else f"\N{MINUS SIGN}{points(-value)}"


def percent(share: float) -> str:
    """A share as `95 %`."""
    return f"{share * 100:g} %"


def counted(count: int, noun: str) -> str:
    """`1 question`, `4,000 questions`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def verdict(difference: Difference) -> Verdict:
    """Better or worse only where the whole interval says so."""
    if difference.interval.low > 0:
        return "better"
    return "worse" if difference.interval.high < 0 else "unclear"


def score_in(subject: Subject, entry: DatasetScore) -> Score | None:
    """A subject's score in a dataset; None where it was not scored, as a floor by a judge."""
    places = ((s.capability, s.dataset, s.score) for s in subject.datasets)
    here = (entry.capability, entry.dataset)
    return next((score for *place, score in places if tuple(place) == here), None)


def evaluated(result: EvaluationResult) -> Subject:
    """Whom the report is about."""
    return result.subjects[0]


def floors(result: EvaluationResult) -> list[Subject]:
    """What needs no model, the strongest first."""
    found = [s for s in result.subjects if s.part == Part.FLOOR and s.composite]
    return sorted(found, key=_composite, reverse=True)


def rivals(result: EvaluationResult) -> list[tuple[Subject, Comparison]]:
    """The models it is compared with, and how it did against each."""
    by_label = {comparison.other: comparison for comparison in result.comparisons}
    return [
        (subject, by_label[subject.label])
        for subject in result.subjects[1:]
        if subject.part == Part.BASELINE and subject.label in by_label
    ]


def headline(result: EvaluationResult) -> Iterator[str]:
    """The sentences to read when only one thing is read."""
    subject = evaluated(result)
    score = subject.composite
    if score is None:
        yield f"{subject.label} has no score."
        return
    sure = f"with {percent(result.confidence)} confidence"
    told = f"{subject.label} scores {points(score.score)} of 100"
    on = f"on {counted(score.items, 'question')}"
    found = rivals(result)
    yield f"{told} {on}." if found else f"{told} {on}, {between(score.interval)} {sure}."
    if len(found) == 1:
        yield _against(found[0][0], found[0][1].composite, sure)
    elif found:
        yield _among(found, sure)
    yield from _floor(result, score)


def _among(found: Sequence[tuple[Subject, Comparison]], sure: str) -> str:
    """Several rivals in one sentence: whom it beats, who beats it, and where it is not clear."""
    words: dict[Verdict, str] = {
        "better": "better than",
        "worse": "worse than",
        "unclear": "not clearly different from",
    }
    told = []
    for kind, word in words.items():
        of = [other for other, one in found if verdict(one.composite) == kind]
        names = [f"{other.label} ({points(_composite(other))})" for other in of]
        if names:
            last = " and ".join([", ".join(names[:-1]), names[-1]] if names[1:] else names)
            told.append(f"{word} {last}")
    first = sure[0].upper() + sure[1:]
    return f"{first} it is {'; '.join(told)}."


def _against(other: Subject, difference: Difference, sure: str) -> str:
    scored = f"{other.label} scores {points(_composite(other))} on the same questions"
    size = f"the difference is {points(abs(difference.difference))} points"
    if not difference.wins and not difference.losses:
        return f"{scored}, and neither is better on any of them."
    if verdict(difference) == "unclear":
        return (
            f"{scored}. Which of them is better is not clear: the difference is "
            f"{signed(difference.difference)} points, {between(difference.interval)} {sure}."
        )
    low, high = sorted((abs(difference.interval.low), abs(difference.interval.high)))
    which = "" if verdict(difference) == "better" else " more"
    return (
        f"{scored}{which and ', which is'}{which}: {size}, {between(Interval(low, high))} {sure}."
    )


def _floor(result: EvaluationResult, score: Score) -> Iterator[str]:
    best = next(iter(floors(result)), None)
    if best is None:
        return
    against = next((c for c in result.comparisons if c.other == best.label), None)
    better = verdict(against.composite) == "better" if against else score.score > _composite(best)
    quoted = f"\N{LEFT DOUBLE QUOTATION MARK}{best.label}\N{RIGHT DOUBLE QUOTATION MARK}"
    reached = points(_composite(best))
    if better:
        yield f"The best that needs no model, {quoted}, scores {reached}."
    else:
        yield f"That is not clearly more than {quoted}, which needs no model: it scores {reached}."


def _composite(subject: Subject) -> float:
    return subject.composite.score if subject.composite else 0.0


def when(instant: str) -> str:
    """`2026-11-22 09:30 UTC`; nothing when no time is known."""
    return f"{instant[:16].replace('T', ' ')} UTC" if instant else ""


def short(digest: str) -> str:
    """A digest as people tell it from others: `sha256:4f2a9c01b7de`."""
    algorithm, colon, rest = digest.partition(":")
    return f"{algorithm}:{rest[:12]}" if colon else digest[:12]
