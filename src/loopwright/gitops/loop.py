"""The watcher's loop: look, pass, tell, wait. Level-based: what woke it does not matter.

When a pass is due is decided in `agenda`, the pass itself is made in `passes`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from loopwright.clock import from_text
from loopwright.engine.workspace import Workspace
from loopwright.errors import LoopwrightError
from loopwright.gitops.agenda import Agenda
from loopwright.gitops.declaring import Good, LastGood, Problem
from loopwright.gitops.heals import Heals
from loopwright.gitops.pace import Pace
from loopwright.gitops.passes import Passes
from loopwright.gitops.reporting import Reporter
from loopwright.gitops.schedule import Due, Why, pause_after
from loopwright.gitops.sources import Source
from loopwright.gitops.suspension import environment_suspension, in_words
from loopwright.state.records import Suspension
from loopwright.state.store import StateReader

log = logging.getLogger(__name__)

SETTLE = timedelta(seconds=3)
"""Manifests that are broken for less than this are files being written."""
_BREATH = 15.0
"""Seconds: the longest wait without a sign of life."""


@dataclass(frozen=True)
class Parts:
    """What a watcher is made of."""

    workspace: Workspace
    source: Source
    manifests: LastGood
    passes: Passes
    pace: Pace
    reporter: Reporter
    beat: Callable[[], None]


class Watcher:
    """Keeps one environment as its source says, until stopped.

    `interval` is the time between two full looks at the world, in seconds.
    """

    def __init__(self, parts: Parts, *, interval: float = 60.0) -> None:
        self._parts = parts
        self._clock = parts.workspace.clock
        self._interval = timedelta(seconds=interval)
        now = self._clock.now()
        self._agenda = Agenda(interval=interval, now=now)
        self._heals = Heals()
        self._look_at = now
        self._woken = self._stopping = False
        self._failures = 0

    def stop(self) -> None:
        """End after what is on. Safe in a signal handler."""
        self._stopping = True
        self._parts.passes.stop()
        self._parts.pace.wake()

    def run(self) -> None:
        """Watch until stopped. Nothing that goes wrong on the way ends it."""
        source, reporter = self._parts.source, self._parts.reporter
        recalled = reporter.recall()
        source.begin(self._parts.pace.wake)
        try:
            while not self._stopping:
                try:
                    if recalled:
                        self._recall(*recalled)
                        recalled = None
                    until = self._turn()
                    self._failures = 0
                except LoopwrightError as error:  # mostly a state that cannot be read
                    until = self._stuck(error.message)
                except Exception as error:  # a bug must not end the watch either
                    log.exception("a turn of the watch ended in an internal error")
                    until = self._stuck(f"internal error: {type(error).__name__}")
                self._wait(until)
        finally:
            source.close()
            reporter.stopped()

    def _recall(self, revision_id: str, since: datetime) -> None:
        self._parts.manifests.recall(revision_id, since, self._parts.workspace.state())

    def _turn(self) -> datetime:
        """Look, make a pass if one is due, tell; returns when to turn again."""
        state, clock = self._parts.workspace.state(), self._clock
        if self._woken or clock.now() >= self._look_at:
            self._look(state)
        good = self._parts.manifests.good
        suspension = environment_suspension(state, clock.now())
        due: Due | None = None
        if good is not None and suspension is None:
            due = self._next(good, state)
            if due.at <= clock.now() and not self._stopping:
                self._pass(good, due.why)
                due = self._next(good, state)
        return self._publish(good, due, suspension)

    def _look(self, state: StateReader) -> None:
        self._woken = False
        manifests, now = self._parts.manifests, self._clock.now()
        is_new = manifests.take(self._parts.source.look(), state, now)
        if is_new:
            self._agenda.revised(now)
            self._heals.forget()
        self._parts.reporter.looked(manifests, is_new=is_new)
        pause = self._parts.source.poll_seconds or self._interval.total_seconds()
        self._look_at = now + timedelta(seconds=pause)

    def _next(self, good: Good, state: StateReader) -> Due:
        return self._agenda.next(good, state.records())

    def _pass(self, good: Good, why: Why) -> None:
        passed = self._parts.passes.run(good, why, self._heals.held(self._clock.now()))
        now = self._clock.now()
        self._agenda.passed(passed, now)
        self._heals.note(passed, now)
        records = self._parts.workspace.state().records()
        self._parts.reporter.passed(passed, good, records)

    def _publish(
        self, good: Good | None, due: Due | None, suspension: Suspension | None
    ) -> datetime:
        now = self._clock.now()
        lasting = [found for found in self._problems() if found.since + SETTLE <= now]
        told_at = self._parts.reporter.publish(
            good, lasting, due=due, suspended=in_words(suspension) if suspension else ""
        )
        unsettled = [
            found.since + SETTLE for found in self._problems() if found.since + SETTLE > now
        ]
        moments = [self._look_at, now + self._interval, *unsettled]
        moments += [due.at] if due else []
        moments += [told_at] if told_at else []
        moments += [from_text(suspension.until)] if suspension and suspension.until else []
        return min(moments)

    def _problems(self) -> list[Problem]:
        manifests = self._parts.manifests
        return [found for found in (manifests.broken, manifests.unreachable) if found]

    def _stuck(self, message: str) -> datetime:
        """Say why, and come back later to look at everything."""
        self._failures += 1
        self._parts.reporter.stuck(message, self._parts.manifests.good)
        self._woken = False
        self._look_at = self._clock.now() + timedelta(seconds=pause_after(self._failures))
        return self._look_at

    def _wait(self, until: datetime) -> None:
        """Until a moment, a change or the end; with a sign of life now and then."""
        while not (self._stopping or self._woken):
            self._parts.beat()
            left = (until - self._clock.now()).total_seconds()
            if left <= 0:
                return
            self._woken = self._parts.pace.wait(min(left, _BREATH))
