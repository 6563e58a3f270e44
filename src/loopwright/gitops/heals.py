"""Remembers which resources others keep changing back, so that nobody is fought every minute."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from loopwright.gitops.passes import Passed
from loopwright.gitops.schedule import pause_after
from loopwright.planning.change import DriftClass
from loopwright.resources.address import Address

_FROM_OUTSIDE = (DriftClass.OUTSIDE, DriftClass.GONE)


@dataclass(frozen=True, slots=True)
class _Fight:
    times: int
    until: datetime


class Heals:
    """Counts heals in a row; a full pass that finds a resource as it was left ends its row."""

    def __init__(self) -> None:
        self._fights: dict[Address, _Fight] = {}

    def note(self, passed: Passed, now: datetime) -> None:
        """Take note of what a pass set right."""
        if passed.plan is None or not passed.is_full:
            return
        drifted = {
            drift.address for drift in passed.plan.drift if drift.drift_class in _FROM_OUTSIDE
        }
        for address in self._fights.keys() - drifted - set(passed.held):
            del self._fights[address]
        for change in passed.applied.done:
            if change.address in drifted:
                before = self._fights.get(change.address)
                times = before.times + 1 if before else 1
                until = now + timedelta(seconds=pause_after(times))
                self._fights[change.address] = _Fight(times, until)

    def held(self, now: datetime) -> Collection[Address]:
        """What is not set right again yet."""
        return {address for address, fight in self._fights.items() if fight.until > now}

    def forget(self) -> None:
        """A new revision came: whoever changed it may have changed the manifests instead."""
        self._fights.clear()
