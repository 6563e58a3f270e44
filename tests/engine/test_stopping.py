"""Ctrl-C: nothing new starts, what runs is written down and found again."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from loopwright.engine.events import Event, EventType
from loopwright.errors import ExitCode
from loopwright.planning.plan import Selection
from support.portraits import creations, orphans
from support.projects import TestProject, flywheel

_SLOW = {"jobSeconds": {"Dataset": 60, "FineTuneJob": 600, "EvalRun": 60}}


def _stop_when(project: TestProject, happens: Callable[[Event], bool]) -> list[Event]:
    """Apply until it happens; returns what was told from then on."""
    stop, after = threading.Event(), list[Event]()

    def listen(event: Event) -> None:
        if stop.is_set():
            after.append(event)
        elif happens(event):
            stop.set()

    reconciler = project.reconciler(flywheel(connection=_SLOW), listener=listen, stop=stop)
    with project.session() as session:
        outcome = reconciler.apply(session, Selection(), approve=lambda plan: True, waits=True)
    assert outcome.applied.interrupted
    assert outcome.exit_code == ExitCode.ERROR
    return after


@pytest.mark.parametrize("at", [1, 3, 5, 8, 12, 16])
def test_after_a_stop_nothing_new_starts_and_the_next_apply_goes_on(
    at: int, project: TestProject
) -> None:
    seen = iter(range(1, 100))
    after = _stop_when(
        project,
        lambda event: event.type not in (EventType.PROGRESS,) and next(seen) == at,
    )
    assert EventType.STARTED not in {event.type for event in after}
    assert project.apply(flywheel(connection=_SLOW)).exit_code == ExitCode.DONE
    assert set(creations(project).values()) == {1}
    assert not orphans(project)
    assert project.plan(flywheel(connection=_SLOW)).is_empty


def test_a_running_job_goes_on_at_its_provider_and_is_found_again(project: TestProject) -> None:
    _stop_when(
        project,
        lambda event: event.type is EventType.RUNNING and event.address == "FineTuneJob/router",
    )
    pending = project.record("FineTuneJob/router").pending
    assert pending is not None
    assert pending.sent
    job = project.world.objects("FineTuneJob")[0]
    assert job.status_at(project.clock.now().timestamp()) == "running"
    project.clock.advance(3600)
    project.apply(flywheel(connection=_SLOW))
    assert project.record("FineTuneJob/router").external_id == job.id


def test_a_run_that_is_gone_on_with_is_told_as_the_run_it_is(project: TestProject) -> None:
    """So that the closing summary counts it, tells what came of it, and names its report."""
    _stop_when(
        project,
        lambda event: event.type is EventType.RUNNING and event.address == "FineTuneJob/router",
    )
    heard: list[Event] = []
    reconciler = project.reconciler(flywheel(connection=_SLOW), listener=heard.append)
    with project.session() as session:
        outcome = reconciler.apply(session, Selection(), approve=lambda plan: True, waits=True)
    done = [event for event in heard if event.type is EventType.SUCCEEDED]
    told = {(event.address, event.action, event.revision) for event in done}
    assert ("FineTuneJob/router", "run", "v1") in told
    assert "wait" not in {change.action.value for change in outcome.applied.done}
