"""One apply, stopped before and after each of its journal writes and provider calls.

Whatever step it is, the next apply converges, every object was made exactly once, and nothing
is forgotten.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from loopwright.providers.memory.adapter import MemoryAdapter
from loopwright.state.session import SqliteSession
from support.projects import TestProject, flywheel

_VERBS = ("create", "update", "delete", "adopt")
_LEASE = 120.0


class Crash(BaseException):
    """The process is gone; nothing may catch this."""


class Steps:
    """Counts journal writes and provider calls; from step `at` on every one of them crashes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        self.at: int | None = None
        self.after = False
        self.lock = threading.Lock()
        for verb in _VERBS:
            monkeypatch.setattr(MemoryAdapter, verb, self._counted(getattr(MemoryAdapter, verb)))
        monkeypatch.setattr(SqliteSession, "commit", self._counted(SqliteSession.commit))

    def _counted(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            with self.lock:
                self.count += 1
                step = self.count
            if self.at is not None and (step > self.at or (step == self.at and not self.after)):
                raise Crash
            found = real(*args, **kwargs)
            if self.at == step and self.after:
                raise Crash
            return found

        return call

    def crash_at(self, step: int | None, *, after: bool = False) -> None:
        self.count, self.at, self.after = 0, step, after


def _made_once(project: TestProject) -> None:
    made = Counter(
        (write.address, write.external_id)
        for write in project.world.writes
        if write.action == "create" and write.effective
    )
    per_address = Counter(address for address, _ in made)
    assert set(made.values()) <= {1}
    assert set(per_address.values()) <= {1}, per_address


def _steps_of_one_apply(project: TestProject, steps: Steps) -> int:
    steps.crash_at(None)
    project.apply(flywheel())
    return steps.count


def _crash_then_finish(project: TestProject, steps: Steps, step: int, *, after: bool) -> None:
    steps.crash_at(step, after=after)
    with pytest.raises(Crash):
        project.apply(flywheel())
    steps.crash_at(None)
    project.clock.advance(_LEASE)
    assert project.apply(flywheel()).exit_code == 0


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_an_apply_stopped_at_any_step_is_finished_by_the_next(
    after: bool, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    from support.projects import injected

    project = TestProject(tmp_path_factory.mktemp("count"))
    monkeypatch.setattr("loopwright.engine.pool.factory", lambda _: injected(project.world))
    steps = Steps(monkeypatch)
    total = _steps_of_one_apply(project, steps)
    assert total > 30
    for step in range(1, total + 1):
        project = TestProject(tmp_path_factory.mktemp(f"crash{step}"))
        world = project.world
        monkeypatch.setattr("loopwright.engine.pool.factory", lambda _, w=world: injected(w))
        _crash_then_finish(project, steps, step, after=after)
        _made_once(project)
        steps.crash_at(None)
        assert project.plan(flywheel()).is_empty, step
        assert len(project.records()) == len(flywheel())
