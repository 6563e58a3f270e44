"""Decides which pass is due next: what state knows of, the interval, and what passes came to."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from loopwright.gitops.declaring import Good
from loopwright.gitops.passes import Ending, Passed
from loopwright.gitops.schedule import Due, Why, dues, pause_after
from loopwright.resources.address import Address
from loopwright.state.records import Record

LOCK_PAUSE = 5.0
_FOLLOW_UPS = 20
"""Passes in a row that may each lead to the next; then whatever moves waits for the interval."""


class Agenda:
    """Remembers the outcome of passes. `interval` is between two full looks at the world."""

    def __init__(self, *, interval: float, now: datetime) -> None:
        self._interval = timedelta(seconds=interval)
        self._wanted: Due | None = Due(now, Why.START)
        self._full_at = now + self._interval
        self._not_before = self._considered = self._polled = now
        self._failures = self._followed = 0

    def revised(self, now: datetime) -> None:
        """A new revision is there: no backoff holds against it."""
        if self._wanted is None or self._wanted.why is not Why.START:
            self._wanted = Due(now, Why.REVISION)
        self._not_before = now
        self._failures = self._followed = 0

    def next(self, good: Good, records: Mapping[Address, Record]) -> Due:
        """The earliest of what is wanted, by passes before or by what state knows."""
        known = dues(good, records, considered=self._considered, polled=self._polled)
        found = [*known, Due(self._full_at, Why.INTERVAL)]
        if self._wanted is not None:
            found.append(self._wanted)
        first = min(found, key=lambda due: due.at)
        return Due(max(first.at, self._not_before), first.why)

    def passed(self, passed: Passed, now: datetime) -> None:
        """Take note of how a pass ended."""
        self._polled = now
        if passed.plan is not None:
            self._considered = passed.at
        if passed.is_error:
            self._put_off(passed, now)
            return
        self._failures = 0
        if passed.is_full:
            self._full_at = now + self._interval
        if self._wanted is not None and (passed.is_full or passed.why is self._wanted.why):
            self._wanted = None
        if not passed.moved:
            self._followed = 0
        elif self._wanted is None and self._followed < _FOLLOW_UPS:
            self._followed += 1
            self._wanted = Due(now, Why.FOLLOWED)

    def _put_off(self, passed: Passed, now: datetime) -> None:
        """The whole pass came to nothing: all that is due waits, ever longer."""
        if passed.ending is Ending.LOCKED:
            why, pause = Why.LOCKED, LOCK_PAUSE
        else:
            self._failures += 1
            why, pause = Why.FAILED_PASS, pause_after(self._failures)
        self._not_before = now + timedelta(seconds=pause)
        self._wanted = Due(self._not_before, why)
