"""Sums of estimates, and the bounds that an approval of the plan covers."""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce

from loopwright.manifests.project import Envelope as StatedEnvelope
from loopwright.planning.change import Action, Change, Obstacle
from loopwright.planning.plan import Envelope, Totals
from loopwright.providers.base import Range


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
    is_complete = all(change.estimate for change in _running(changes))

    def bound(given: float | None, estimated: Range | None) -> float | None:
        if given is not None:
            return given
        return estimated.high if estimated is not None and is_complete else None

    rows = bound(stated.rows, sums.rows)
    return Envelope(
        cost=bound(stated.cost, sums.cost),
        currency=sums.currency,
        rows=int(rows) if rows is not None else None,
        hours=bound(stated.hours, sums.hours),
        deletes=sum(
            change.action is Action.DELETE and change.obstacle is Obstacle.NONE
            for change in changes
        ),
    )


def _running(changes: Iterable[Change]) -> list[Change]:
    return [
        change
        for change in changes
        if change.action is Action.RUN and change.obstacle is Obstacle.NONE
    ]
