"""From item records to the result of a run: scores, comparisons, tokens, latencies, a digest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from loopwright.evaluation.answers import Answered
from loopwright.evaluation.questions import QuestionSet
from loopwright.evaluation.results import (
    Comparison,
    DatasetScore,
    EvaluationResult,
    ItemRecord,
    Part,
    Score,
    Subject,
)
from loopwright.evaluation.running import Evaluation, Finished
from loopwright.evaluation.statistics import Standing
from loopwright.hashing import digest
from loopwright.inference.prices import Prices


@dataclass(frozen=True, slots=True)
class Told:
    """What the result says besides scores."""

    name: str
    revision: int
    suite: str
    confidence: float = 0.95
    lineage: Mapping[str, Any] = field(default_factory=dict)
    started_at: str = ""
    finished_at: str = ""
    notes: Sequence[str] = ()
    prices: Prices = field(default_factory=Prices)


def result_of(evaluation: Evaluation, finished: Finished, told: Told) -> EvaluationResult:
    """The scores of everybody, and the first of the contestants against each other subject."""
    contestants = evaluation.contestants
    labels = [*(one.label for one in contestants), *evaluation.floors]
    weights = {asked.key: asked.weight for asked in evaluation.sets}
    standing = Standing.of(finished.records, weights, labels, confidence=told.confidence)
    subjects = [
        replace(
            _spoken(finished.answers[one.label], told.prices),
            label=one.label,
            part=Part.BASELINE if number else Part.EVALUATED,
            endpoint=one.endpoint,
            digest=one.digest,
        )
        for number, one in enumerate(contestants)
    ]
    subjects += [Subject(label, Part.FLOOR) for label in evaluation.floors]
    scored = [_scored(one, standing, evaluation.sets) for one in subjects]
    comparisons = [_compared(standing, labels[0], other) for other in labels[1:]]
    compared = [one for one in comparisons if one is not None]
    return EvaluationResult(
        told.name,
        told.revision,
        told.suite,
        told.confidence,
        scored,
        compared,
        {**told.lineage, **_judging(finished.judging, told.prices)},
        told.started_at,
        told.finished_at,
        _digest(scored, compared, finished.records),
        told.notes,
    )


def _spoken(answers: Sequence[Answered], prices: Prices) -> Subject:
    seconds = [one.seconds for one in answers if not one.error]
    spread = np.quantile(seconds, [0.5, 0.95]) if seconds else ()
    return Subject(
        "",
        Part.EVALUATED,
        input_tokens=sum(one.input_tokens for one in answers),
        output_tokens=sum(one.output_tokens for one in answers),
        cost=_paid(answers, prices),
        seconds=dict(zip(("p50", "p95"), (round(float(one), 4) for one in spread), strict=False)),
        cached=sum(one.cached for one in answers),
    )


def _paid(answers: Sequence[Answered], prices: Prices) -> float | None:
    """Of what was asked now; what an earlier run had paid is free. None without prices."""
    if not prices.are_said:
        return None
    paid = [one for one in answers if not one.cached]
    read, said = sum(one.input_tokens for one in paid), sum(one.output_tokens for one in paid)
    return round(prices.cost(read, said), 6)


def _scored(subject: Subject, standing: Standing, sets: Sequence[QuestionSet]) -> Subject:
    label = subject.label
    return replace(
        subject,
        composite=standing.composite(label),
        capabilities=_present(
            {name: standing.capability(name, label) for name in standing.capabilities}
        ),
        datasets=tuple(
            DatasetScore(*asked.key, asked.method, asked.weight, score)
            for asked in sets
            if (score := standing.dataset(asked.key, label)) is not None
        ),
    )


def _present(scores: Mapping[str, Score | None]) -> dict[str, Score]:
    return {name: score for name, score in scores.items() if score is not None}


def _compared(standing: Standing, one: str, other: str) -> Comparison | None:
    composite = standing.compare(one, other)
    if composite is None:
        return None
    return Comparison(
        other,
        composite,
        standing.compare_capabilities(one, other),
        {"/".join(key): found for key, found in standing.compare_datasets(one, other).items()},
    )


def _judging(answers: Sequence[Answered], prices: Prices) -> dict[str, Any]:
    """What judges took, where there were any."""
    if not answers:
        return {}
    told: dict[str, Any] = {
        "verdicts": len(answers),
        "cached": sum(one.cached for one in answers),
        "inputTokens": sum(one.input_tokens for one in answers),
        "outputTokens": sum(one.output_tokens for one in answers),
    }
    cost = _paid(answers, prices)
    return {"judging": told if cost is None else {**told, "cost": cost}}


def _digest(
    subjects: Sequence[Subject], comparisons: Sequence[Comparison], records: Sequence[ItemRecord]
) -> str:
    """Of scores and answers without times: whatever was cached, whoever paid."""
    return digest(
        {
            "subjects": [
                [one.label, one.digest, one.composite, one.capabilities, one.datasets]
                for one in subjects
            ],
            "comparisons": comparisons,
            "records": [
                [
                    one.id,
                    {
                        label: [given.text, given.tool_calls, given.score, bool(given.error)]
                        for label, given in one.answers.items()
                    },
                ]
                for one in records
            ],
        }
    )
