"""The recorder: empties the logs of all gateways into their lakes, and keeps the ledger.

A segment's calls are committed to the lake, then told in the ledger, then the segment goes; each
step finds out by itself that it was done before, so a crash between any two loses and doubles
nothing. A lake that cannot be reached keeps its log until it can.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from loopwright.clock import Clock, SystemClock
from loopwright.errors import LakeError, LoopwrightError
from loopwright.lake.capture.emptying import Emptied, Emptying
from loopwright.lake.capture.spool import SpoolDisk, recording
from loopwright.lake.store import Lake

_log = logging.getLogger(__name__)
_FIRST_RETRY, _LAST_RETRY = timedelta(seconds=1), timedelta(seconds=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepResult:
    """What a step did. `problems`: lake name -> why its log was kept."""

    recorded: int = 0
    """Calls that were taken from the logs."""
    feedback: int = 0
    segments: int = 0
    problems: Mapping[str, str] = field(default_factory=dict)


class Recorder:
    """Empties the logs under `spool`, a folder a lake name. `open_lake` opens a lake by name."""

    def __init__(
        self,
        spool: Path,
        open_lake: Callable[[str], Lake],
        *,
        clock: Clock | None = None,
        disk: SpoolDisk | None = None,
    ) -> None:
        self._spool = spool
        self._open_lake = open_lake
        self._clock = clock or SystemClock()
        self._disk = disk or SpoolDisk()
        self._lakes: dict[str, Emptying] = {}
        self._waits: dict[str, _Wait] = {}

    def step(self) -> StepResult:
        """Take all that is there now. Never raises for what is wrong with one lake."""
        done, problems = Emptied(), {}
        for folder in sorted(path for path in self._spool.glob("*") if path.is_dir()):
            problem = self._wait_of(folder.name)
            if problem is None:
                try:
                    done += self._emptied(folder)
                    self._waits.pop(folder.name, None)
                except (LoopwrightError, OSError) as error:
                    problem = self._put_off(folder.name, error)
            if problem is not None:
                problems[folder.name] = problem
        return StepResult(
            recorded=done.calls,
            feedback=done.feedback,
            segments=done.segments,
            problems=problems,
        )

    def _emptied(self, folder: Path) -> Emptied:
        with recording(folder) as alone:
            if not alone:  # somebody else is at it
                return Emptied()
            if folder.name not in self._lakes:
                lake = self._open_lake(folder.name)
                self._lakes[folder.name] = Emptying(
                    folder, lake, clock=self._clock, disk=self._disk
                )
            return self._lakes[folder.name].step()

    def _wait_of(self, name: str) -> str | None:
        wait = self._waits.get(name)
        return wait.problem if wait and self._clock.now() < wait.until else None

    def _put_off(self, name: str, error: Exception) -> str:
        """Open the lake anew next time: its key or its place may have changed."""
        self._lakes.pop(name, None)
        problem = error.message if isinstance(error, LakeError) else str(error)
        before = self._waits.get(name)
        delay = min(before.delay * 2, _LAST_RETRY) if before else _FIRST_RETRY
        self._waits[name] = _Wait(self._clock.now() + delay, delay, problem)
        if before is None or before.problem != problem:
            _log.warning("calls wait in the log", extra={"lake": name, "why": problem})
        return problem


@dataclass(frozen=True, slots=True)
class _Wait:
    until: datetime
    delay: timedelta
    problem: str
