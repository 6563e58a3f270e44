"""toolCall: the calls of an answer against the expected ones, whatever their order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from loopwright.evaluation.items import BadRow, call_of
from loopwright.evaluation.questions import Item
from loopwright.evaluation.scoring.base import FULL, Given, Scored, Scorer
from loopwright.hashing import canonical_json

Call = Mapping[str, Any]


def tool_call(settings: Mapping[str, Any]) -> Scorer:
    """All points where the same tools are called with arguments equal as JSON values.

    Calls are paired by name, the likest first. With partial credit a pair gives the share of
    arguments, named on either side, that are right; the points are the sum over pairs as a share
    of the greater number of calls. Without, anything but all is nothing.
    """
    return partial(_matched, bool(settings.get("partialCredit")))


def _matched(partial_credit: bool, given: Given, item: Item) -> Scored:
    wanted: Sequence[Call] = item.expected or ()
    try:
        told = [call_of(one) for one in given.tool_calls]
    except BadRow as reason:
        return Scored(0.0, f"{reason}")
    shares = _paired(told, wanted)
    share = sum(shares) / max(len(told), len(wanted)) if told or wanted else 1.0
    if share == 1.0:
        return Scored(FULL)
    return Scored(FULL * share if partial_credit else 0.0, _reason(told, wanted))


def _paired(told: Sequence[Call], wanted: Sequence[Call]) -> list[float]:
    """How right each pair is, where each call is in one pair at most."""
    pairs = sorted(
        (-_alike(one, other), at, to)
        for at, one in enumerate(wanted)
        for to, other in enumerate(told)
        if one["name"] == other["name"]
    )
    taken_of_wanted: set[int] = set()
    taken_of_told: set[int] = set()
    shares = []
    for negative, at, to in pairs:
        if at not in taken_of_wanted and to not in taken_of_told:
            taken_of_wanted.add(at)
            taken_of_told.add(to)
            shares.append(-negative)
    return shares


def _alike(wanted: Call, told: Call) -> float:
    one, other = wanted["arguments"], told["arguments"]
    names = one.keys() | other.keys()
    if not names:
        return 1.0
    right = sum(name in one and name in other and _same(one[name], other[name]) for name in names)
    return right / len(names)


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, int | float) and isinstance(other, int | float):
        return one == other and isinstance(one, bool) == isinstance(other, bool)
    return canonical_json(one) == canonical_json(other)


def _reason(told: Sequence[Call], wanted: Sequence[Call]) -> str:
    if not told:
        return f"calls no tool; expected {_names(wanted)}"
    if sorted(one["name"] for one in told) != sorted(one["name"] for one in wanted):
        return f"calls {_names(told)}; expected {_names(wanted) or 'no call'}"
    return f"calls {_names(told)} with other arguments"


def _names(calls: Sequence[Call]) -> str:
    return ", ".join(one["name"] for one in calls)
