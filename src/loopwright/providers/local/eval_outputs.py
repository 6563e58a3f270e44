"""What a finished evaluation tells the state: what a gate judges, and what a plan counts with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from loopwright.evaluation.questions import asked_digest
from loopwright.evaluation.results import EvaluationResult, Interval, Part, Subject
from loopwright.evaluation.running import Finished


def outputs_of(
    result: EvaluationResult, finished: Finished, arguments: Mapping[str, Any], *, path: str
) -> dict[str, Any]:
    """Scores in points, intervals at the confidence of the run, tokens and money.

    `comparison` is there only with a baseline, and only for capabilities that both have.
    """
    evaluated = result.subjects[0]
    told: dict[str, Any] = {
        "version": result.revision,
        "digest": result.digest,
        "report": path,
        "asked": asked_digest((one.capability, one.dataset, one.id) for one in finished.records),
        **_scores(evaluated),
        "floors": {one.label: _composite(one) for one in result.subjects if _is_floor(one)},
        "models": {one.label: one.digest for one in result.subjects if not _is_floor(one)},
        **_spent(result, finished, arguments["prices"]),
    }
    baseline = next((one for one in result.subjects if one.part is Part.BASELINE), None)
    if baseline is not None:
        told["baseline"] = {"label": baseline.label, "composite": _composite(baseline)}
        told["baselineDigest"] = arguments["baselineDigest"]
        told["baselineModelDigest"] = arguments["baselineModelDigest"]
        told["comparison"] = _comparison(result, baseline.label)
    return told


def message_of(result: EvaluationResult) -> str:
    """E.g. `composite 91.2 (builtin:tiny-chat 3.1, nearest question 61.5) on 400 items`."""
    evaluated, *others = result.subjects
    beside = [f"{one.label} {one.composite.score:.1f}" for one in others if one.composite]
    score = evaluated.composite
    if score is None:
        return "no composite score"
    words = f" ({', '.join(beside)})" if beside else ""
    failed = f", {score.failed:,} failed" if score.failed else ""
    items = f"{score.items:,} item{'s' if score.items != 1 else ''}"
    return f"composite {score.score:.1f}{words} on {items}{failed}"


def _scores(subject: Subject) -> dict[str, Any]:
    whole = subject.composite
    return {
        "composite": _composite(subject),
        "capabilities": {name: one.score for name, one in subject.capabilities.items()},
        "intervals": {
            "composite": _bounds(whole.interval) if whole else None,
            "capabilities": {
                name: _bounds(one.interval) for name, one in subject.capabilities.items()
            },
        },
        "items": whole.items if whole else 0,
        "failed": whole.failed if whole else 0,
    }


def _comparison(result: EvaluationResult, other: str) -> dict[str, Any]:
    found = next((one for one in result.comparisons if one.other == other), None)
    told = {}
    for name, one in found.capabilities.items() if found else ():
        entry = asdict(one)
        interval = entry.pop("interval")
        told[name] = {**entry, **interval}
    return told


def _spent(
    result: EvaluationResult, finished: Finished, prices: Mapping[str, Any]
) -> dict[str, Any]:
    """Of this run: what was known from earlier ones has been paid for."""
    given = [*(one for of in finished.answers.values() for one in of), *finished.judging]
    paid = [one for one in given if not one.cached]
    costs = [one.cost for one in result.subjects if one.cost is not None]
    costs.append(result.lineage.get("judging", {}).get("cost", 0.0))
    return {
        "answers": len(given),
        "cached": len(given) - len(paid),
        "inputTokens": sum(one.input_tokens for one in paid),
        "outputTokens": sum(one.output_tokens for one in paid),
        "cost": round(sum(costs), 6),
        "currency": str(prices.get("currency", "")),
    }


def _composite(subject: Subject) -> float | None:
    return subject.composite.score if subject.composite else None


def _bounds(interval: Interval) -> list[float]:
    return [interval.low, interval.high]


def _is_floor(subject: Subject) -> bool:
    return subject.part is Part.FLOOR
