"""Calls to one account never exceed its bound, whoever makes them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from loopwright.errors import ExitCode
from loopwright.providers.memory.adapter import MemoryAdapter
from support.projects import TestProject, resource

_VERBS = ("observe_all", "create", "update", "delete", "poll")


class Recorder:
    """Notes when each call was made."""

    def __init__(self, project: TestProject, monkeypatch: pytest.MonkeyPatch) -> None:
        self.moments: list[datetime] = []
        self._lock, self._clock = threading.Lock(), project.clock
        for verb in _VERBS:
            monkeypatch.setattr(MemoryAdapter, verb, self._noted(getattr(MemoryAdapter, verb)))

    def _noted(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any) -> Any:
            with self._lock:
                self.moments.append(self._clock.now())
            return real(*given)

        return call

    def exceeds(self, *, per_second: float, burst: int) -> list[tuple[float, int]]:
        """Windows (seconds, calls) in which more calls were made than is allowed."""
        moments = sorted(self.moments)
        found = []
        for start, first in enumerate(moments):
            for end, last in enumerate(moments[start:], start + 1):
                seconds = (last - first).total_seconds()
                if end - start > burst + per_second * seconds + 1e-6:
                    found.append((seconds, end - start))
        return found


def _many(account: str | None = None) -> list[Any]:
    rate = {"perSecond": 5, "burst": 3}
    names = ("a", "b") if account else ("a",)
    return [
        *(
            resource("Provider", name, type="memory", account=account, requestRate=rate)
            for name in names
        ),
        *(
            resource("Lake", f"{name}{n}", provider=name, storage=f"{name}/{n}")
            for name in names
            for n in range(30)
        ),
    ]


@pytest.mark.parametrize("account", [None, "shared"])
def test_no_window_sees_more_than_burst_and_rate_allow(
    account: str | None, project: TestProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder, declared = Recorder(project, monkeypatch), _many(account)
    assert project.apply(declared).exit_code == ExitCode.DONE
    assert len(recorder.moments) >= 30
    assert not recorder.exceeds(per_second=5, burst=3)


def test_the_check_itself_sees_an_unbounded_account(
    project: TestProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = Recorder(project, monkeypatch)
    free = [resource("Provider", "a", type="memory"), *_many()[1:]]
    project.apply(free)
    assert recorder.exceeds(per_second=5, burst=3)
