"""What a name in a spec stands for decides results as the spec does."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from loopwright.engine.events import Event, EventType
from loopwright.errors import ExitCode
from loopwright.planning.change import Action, Obstacle
from loopwright.planning.plan import Selection
from loopwright.resources.address import Address
from support.projects import TestProject, flywheel

JOB, PROD = Address("FineTuneJob", "router"), Address("Endpoint", "prod")


def pinned(tiny: str | None, **connection: Any) -> list[Any]:
    """The loop, with what the base model `tiny` stands for."""
    return flywheel(connection={"pins": {} if tiny is None else {"tiny": tiny}, **connection})


def test_a_name_that_stands_for_something_else_is_another_run(project: TestProject) -> None:
    project.apply(pinned("a"))
    assert project.plan(pinned("a")).is_empty
    change = project.plan(pinned("b")).change(JOB)
    assert change is not None
    assert change.action is Action.RUN
    assert project.apply(pinned("b")).exit_code == ExitCode.DONE
    assert project.record(str(JOB)).current == 2
    assert project.plan(pinned("b")).is_empty


def test_a_base_that_moves_under_a_run_tells_its_users_why_they_wait(project: TestProject) -> None:
    slow, stop = {"jobSeconds": {"FineTuneJob": 60}}, threading.Event()

    def listen(event: Event) -> None:
        if event.type is EventType.RUNNING and event.address == str(JOB):
            stop.set()

    reconciler = project.reconciler(pinned("a", **slow), listener=listen, stop=stop)
    with project.session() as session:
        reconciler.apply(session, Selection(), approve=lambda plan: True, waits=True)
    waiting = project.apply(pinned("b", **slow)).applied.waiting
    told = waiting[Address("Endpoint", "candidate")]
    assert told.startswith("waits for FineTuneJob/router: it ran once, and would run again (")
    assert told.endswith("): apply again")
    assert project.apply(pinned("b", **slow)).exit_code == ExitCode.DONE


def test_an_endpoint_follows_what_its_base_stands_for(project: TestProject) -> None:
    without = [found for found in pinned("a") if found.kind in ("Provider", "Lake")]
    plain = [found for found in pinned("a") if found.address == PROD]
    served = [found.model_copy(update={"spec": found.spec.model_copy(update={"promote": None})})
              for found in plain]  # fmt: skip
    project.apply([*without, *served])
    before = project.record(str(PROD)).digest
    moved = [*(found for found in pinned("b") if found.kind in ("Provider", "Lake")), *served]
    change = project.plan(moved).change(PROD)
    assert change is not None
    assert (change.action, [field.path for field in change.fields]) == (
        Action.UPDATE,
        ["model.base"],
    )
    project.apply(moved)
    assert project.record(str(PROD)).digest != before
    assert project.plan(moved).is_empty


def test_records_from_before_there_were_pins_stay_as_they_are(project: TestProject) -> None:
    project.apply(pinned(None))
    change = project.plan(pinned("a")).change(PROD)
    assert change is not None
    assert not change.fields


@pytest.mark.parametrize("is_new", [True, False])
def test_a_name_that_stands_for_nothing_stops_what_names_it(
    is_new: bool, project: TestProject
) -> None:
    if not is_new:
        project.apply(pinned("a"))
    change = project.plan(pinned("")).change(JOB)
    assert change is not None
    assert (change.action, change.obstacle) == (Action.WAIT, Obstacle.FAILED)
    assert "cannot be planned: tiny stands for nothing; name a base model that" in change.reason
    assert "(wanted by all.yaml:" in change.reason
    writes = len(project.writes())
    assert project.apply(pinned("")).exit_code == ExitCode.PARTIAL
    assert is_new or len(project.writes()) == writes
