"""Sums of estimates, and the bounds that an approval of the plan covers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import reduce

from loopwright.manifests.project import Envelope as StatedEnvelope
from loopwright.planning.change import Action, Change, Obstacle
from loopwright.planning.plan import Envelope, Plan, Totals
from loopwright.providers.base import Range
from loopwright.resources.address import Address


def totals(changes: Iterable[Change]) -> Totals:
    """What everything that would run sums up to; None where no estimate says."""
    running = [change.estimate for change in _running(changes) if change.estimate]

    def total(name: str) -> Range | None:
        found = [value for item in running if (value := getattr(item, name)) is not None]
        return reduce(lambda left, right: left + right, found) if found else None

    return Totals(
        cost=total("cost"),
        currency=next((found.currency for found in running if found.currency), ""),
        hours=total("hours"),
        rows=total("rows"),
        tokens=total("tokens"),
    )


def envelope(stated: StatedEnvelope, sums: Totals, changes: Iterable[Change]) -> Envelope:
    """The project's bounds where it states them; else what was estimated, if all of it was."""
    changes = tuple(changes)

    def bound(name: str, given: float | None, estimated: Range | None) -> float | None:
        if given is not None:
            return given
        is_told = all(_tells(change, name) for change in _running(changes))
        return estimated.high if estimated is not None and is_told else None

    rows = bound("rows", stated.rows, sums.rows)
    return Envelope(
        cost=bound("cost", stated.cost, sums.cost),
        currency=sums.currency,
        rows=int(rows) if rows is not None else None,
        hours=bound("hours", stated.hours, sums.hours),
        deletes=sum(
            change.action is Action.DELETE and change.obstacle is Obstacle.NONE
            for change in changes
        ),
    )


def _tells(change: Change, name: str) -> bool:
    """Whether a bound can go by it: a run of a later stage may tell more once it is its turn."""
    if change.estimate is None:
        return False
    return not change.after or getattr(change.estimate, name) is not None


def hold_to_envelope(plan: Plan, stated: StatedEnvelope) -> Plan:
    """The plan with runs refused that are over the project's bounds on their own.

    No approval could ever start these; what needs them waits.
    """
    held: dict[Address, str] = {}
    changes = []
    for change in plan.changes:  # stages ascend: what is needed comes before what needs it
        seen = _held_to(stated, change, held)
        if seen is not change:
            held[change.address] = seen.reason
        changes.append(seen)
    if not held:
        return plan
    sums = totals(changes)
    bounds = envelope(stated, sums, changes)
    return replace(plan, changes=tuple(changes), totals=sums, envelope=bounds)


def _held_to(stated: StatedEnvelope, change: Change, held: Mapping[Address, str]) -> Change:
    over = _over(stated, change)
    if over:
        return replace(change, obstacle=Obstacle.BUDGET, reason=f"{over}; {change.reason}")
    need = next((other for other in change.after if other in held), None)
    if need is None or not change.action.writes:
        return change
    reason = f"waits for {need}: {held[need]}"
    return replace(change, action=Action.WAIT, obstacle=Obstacle.UPSTREAM, reason=reason)


def _over(stated: StatedEnvelope, change: Change) -> str:
    """Which stated bound a run would break alone, and what to do; empty: none."""
    for name in ("cost", "rows", "hours") if change.estimate and _running([change]) else ():
        bound, amount = getattr(stated, name), getattr(change.estimate, name)
        if bound is not None and amount is not None and amount.likely > bound:
            return (
                f"{name} about {amount.likely:,.6g} is over envelope.{name} {bound:,.6g}; "
                f"raise envelope.{name} in loopwright.yaml"
            )
    return ""


def _running(changes: Iterable[Change]) -> list[Change]:
    return [
        change
        for change in changes
        if change.action is Action.RUN and change.obstacle is Obstacle.NONE
    ]
