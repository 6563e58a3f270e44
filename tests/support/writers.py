"""Several writers at once: an apply that is stuck in a call, and those who come meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from loopwright.engine.events import silent
from loopwright.engine.reconcile import Outcome
from loopwright.errors import ExitCode, FencedError, StateLockedError
from loopwright.gitops.declaring import Good
from loopwright.gitops.passes import Ending, Passes
from loopwright.gitops.schedule import Why
from loopwright.gitops.sources import Revision
from loopwright.planning.plan import Selection
from loopwright.providers.memory.adapter import MemoryAdapter
from support.portraits import creations, orphans
from support.projects import TestProject, declared, resource

_LEASE = 120.0


def resources() -> list[Any]:
    lakes = [resource("Lake", name, provider="mem", storage=name) for name in ("a", "b")]
    return [resource("Provider", "mem", type="memory"), *lakes]


def apply_as(project: TestProject, who: str) -> Outcome:
    reconciler = project.reconciler(resources(), listener=silent)
    with project.workspace.state().session(holder=who, command="apply") as session:
        return reconciler.apply(session, Selection(), approve=lambda plan: True, waits=True)


class Gate:
    """Holds the first create of a lake until it is opened."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reached, self._open = threading.Event(), threading.Event()
        create = MemoryAdapter.create

        def gated(adapter: MemoryAdapter, target: Any, key: str) -> Any:
            if target.address.name == "a" and not self.reached.is_set():
                self.reached.set()
                assert self._open.wait(60)
            return create(adapter, target, key)

        monkeypatch.setattr(MemoryAdapter, "create", gated)

    def open(self) -> None:
        self._open.set()


@contextmanager
def _stuck_apply(
    project: TestProject, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Gate, Future[Outcome]]]:
    """An apply by ann that is in the middle of a call."""
    gate = Gate(monkeypatch)
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(apply_as, project, "ann")
        try:
            assert gate.reached.wait(60)
            yield gate, future
        finally:
            gate.open()


def others_are_told_who_it_is(project: TestProject, monkeypatch: pytest.MonkeyPatch) -> None:
    """While one applies, a second apply and a watcher say who holds the lock."""
    now = project.clock.now()
    good = Good(Revision("r1", ("all.yaml",)), declared(resources()), now)
    with _stuck_apply(project, monkeypatch) as (gate, future):
        with pytest.raises(StateLockedError, match="locked by ann") as refused:
            apply_as(project, "bob")
        assert refused.value.exit_code == ExitCode.ERROR
        passed = Passes(project.workspace, prune=True, listener=silent).run(good, Why.START)
        assert passed.ending is Ending.LOCKED
        assert "ann (apply)" in passed.message
        gate.open()
        assert future.result().exit_code == ExitCode.DONE
    assert creations(project) == {"Lake/a": 1, "Lake/b": 1}
    assert apply_as(project, "bob").exit_code == ExitCode.DONE


def late_writer_is_refused(project: TestProject, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who slept through the end of the lease writes nothing, and what was begun is made once."""
    with _stuck_apply(project, monkeypatch) as (gate, future):
        project.clock.advance(_LEASE)
        assert apply_as(project, "bob").exit_code == ExitCode.DONE
        after = project.workspace.state().serial
        gate.open()
        with pytest.raises(FencedError, match="taken over by bob"):
            future.result()
    assert project.workspace.state().serial == after
    assert creations(project) == {"Lake/a": 1, "Lake/b": 1}
    assert not orphans(project)
    assert project.plan(resources()).is_empty
