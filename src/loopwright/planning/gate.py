"""Holds what an evaluation found against a gate: passed, refused, or not yet decidable. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from loopwright.resources.base import Promotion

_SHOWN = 3
"""So many capabilities are told by name; the weakest first, where there are more."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Passed, refused, or not yet decidable (`missing`), with the numbers that say so."""

    passed: bool
    facts: tuple[str, ...] = ()
    missing: str = ""
    numbers: Mapping[str, Any] = field(default_factory=dict)
    """`composite`; `capabilities` name -> {difference, atLeast}; `confidence`. Points."""


@dataclass(frozen=True, slots=True)
class _Compared:
    """One capability beside the incumbent, points."""

    name: str
    difference: float
    low: float
    """With the gate's confidence the difference is at least this."""


def judge(promotion: Promotion, outputs: Mapping[str, Any]) -> Verdict:
    """Hold the outputs of an EvalRun against a gate. Scores are points, 0-100.

    `composite`; `items` and those that `failed`; `comparison` name -> {difference, quantiles},
    paired on the same items with the incumbent, `quantiles` those of the bootstrap.
    """
    if useless := _useless(outputs):
        return Verdict(False, (useless,), numbers=_told(outputs))
    composite = float(outputs["composite"])
    facts, passed = [], True
    if promotion.min_composite is not None:
        passed = composite >= promotion.min_composite
        sign = ">=" if passed else "<"
        facts.append(f"composite {composite:.1f} {sign} {promotion.min_composite:g}")
    comparison = outputs.get("comparison")
    if promotion.max_regression is not None and not comparison:
        missing = "a result of the incumbent (spec.baseline)"
        return Verdict(False, tuple(facts), missing, _told(outputs))
    compared = list(_compared(comparison or {}, promotion.confidence))
    if promotion.max_regression is not None and len(compared) < len(comparison or {}):
        missing = f"bounds at a confidence of {promotion.confidence:.6g}"
        return Verdict(False, (*facts, f"the evaluation has no {missing}"), numbers=_told(outputs))
    worse = [one for one in compared if _is_worse(one, promotion)]
    facts += _differences(compared, worse, promotion)
    if failed := int(outputs.get("failed", 0)):
        facts.append(f"{failed:,} of {int(outputs.get('items', 0)):,} items failed and score 0")
    numbers = {**_told(outputs), "confidence": promotion.confidence, **_bounds(compared)}
    return Verdict(passed and not worse, tuple(facts), numbers=numbers)


def lower_bound(entry: Mapping[str, Any], confidence: float) -> float | None:
    """What a difference is at least, one-sided, at a confidence; None where nothing tells it.

    Of the quantiles that are listed, the next one on the side of caution.
    """
    tail = round(1 - confidence, 9)
    quantiles = {round(float(share), 9): value for share, value in entry["quantiles"].items()} if (
        entry.get("quantiles")
    ) else {}  # fmt: skip
    within = [share for share in quantiles if share <= tail]
    if within:
        return float(quantiles[max(within)])
    if not quantiles and "low" in entry:
        return float(entry["low"])
    return None


def _useless(outputs: Mapping[str, Any]) -> str:
    """Why an evaluation says nothing of the candidate; empty: it does."""
    items, failed = int(outputs.get("items", 0)), int(outputs.get("failed", 0))
    if items and failed >= items:
        return f"none of {items:,} items was answered"
    if outputs.get("composite") is None:
        return "the evaluation gave no composite score"
    return ""


def _compared(comparison: Mapping[str, Any], confidence: float) -> Iterator[_Compared]:
    for name, entry in sorted(comparison.items()):
        low = lower_bound(entry, confidence)
        if low is not None:
            yield _Compared(name, float(entry["difference"]), low)


def _is_worse(one: _Compared, promotion: Promotion) -> bool:
    return promotion.max_regression is not None and one.low < -promotion.max_regression


def _differences(
    compared: list[_Compared], worse: list[_Compared], promotion: Promotion
) -> Iterator[str]:
    """The weakest capabilities in words, and how many are not told."""
    ordered = sorted(compared, key=lambda one: one.low)
    shown = ordered if len(ordered) <= _SHOWN else ordered[: max(len(worse), _SHOWN - 1)]
    for one in sorted(shown, key=lambda one: (one not in worse, one.name)):
        sure = f"at least {one.low:+.1f} with {promotion.confidence * 100:.6g} % confidence"
        over = f" < -{promotion.max_regression:g}" if one in worse else ""
        yield f"{one.name} {one.difference:+.1f} ({sure}){over}"
    if len(shown) < len(ordered):
        yield f"{len(ordered) - len(shown)} other capabilities do better than these"


def _told(outputs: Mapping[str, Any]) -> dict[str, Any]:
    return {name: outputs[name] for name in ("composite", "items", "failed") if name in outputs}


def _bounds(compared: list[_Compared]) -> dict[str, Any]:
    if not compared:
        return {}
    return {
        "capabilities": {
            one.name: {"difference": one.difference, "atLeast": one.low} for one in compared
        }
    }
