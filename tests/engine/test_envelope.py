"""An approval has bounds: late stages stay inside them, budgets refuse, limits are kept."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import pytest

from loopwright.errors import ExitCode
from loopwright.manifests.project import Project
from loopwright.planning.change import Obstacle
from loopwright.providers.base import Operation, Target
from loopwright.providers.memory import MemoryFactory
from loopwright.providers.memory.adapter import MemoryAdapter
from loopwright.resources.address import Address
from support.projects import TestProject, flywheel, resource

JOB = Address("FineTuneJob", "router")
_PRICES = {"currency": "CNY", "trainingPerMillionTokens": 50}


def priced(**job: Any) -> list[Any]:
    """The dataset gives 2,000 rows of 200 tokens, so that training costs 20."""
    kept = {"Lake/main", "Dataset/router"}
    return [
        *(found for found in flywheel() if str(found.address) in kept),
        resource("Provider", "mem", type="memory", prices=_PRICES),
        resource(
            "FineTuneJob", "router", provider="mem", base="tiny", dataset="Dataset/router", **job
        ),
    ]


def _bounded(**envelope: Any) -> Project:
    return Project.model_validate({"envelope": envelope})


def test_a_late_stage_that_would_leave_the_envelope_asks(project: TestProject) -> None:
    outcome = project.apply(priced(), project=_bounded(cost=19), waits=False)
    assert outcome.exit_code == ExitCode.DECISION
    assert "over the approved 19" in outcome.applied.decisions[JOB]
    assert project.writes_to(str(JOB)) == 0
    outcome = project.apply(priced(), project=_bounded(cost=19))
    assert outcome.exit_code == ExitCode.REFUSED
    assert "raise envelope.cost in loopwright.yaml" in outcome.applied.refused[JOB]
    assert project.record("Dataset/router").current == 1
    assert project.writes_to(str(JOB)) == 0
    assert project.apply(priced(), project=_bounded(cost=20)).exit_code == ExitCode.DONE


def test_the_envelope_is_one_for_all_runs_of_an_apply(project: TestProject) -> None:
    second = resource(
        "FineTuneJob", "second", provider="mem", base="tiny", dataset="Dataset/router"
    )
    outcome = project.apply([*priced(), second], project=_bounded(cost=39))
    assert outcome.exit_code == ExitCode.DECISION
    assert len(outcome.applied.decisions) == 1
    assert len(project.world.objects("FineTuneJob")) == 1


def test_a_saved_plan_keeps_the_envelope_it_was_approved_with(project: TestProject) -> None:
    saved = project.save(priced(), project=_bounded(cost=19))
    outcome = project.apply_saved(priced(), saved, project=_bounded(cost=1000))
    assert outcome.exit_code == ExitCode.DECISION
    assert project.writes_to(str(JOB)) == 0


def test_a_budget_below_the_estimate_is_refused(project: TestProject) -> None:
    project.apply(priced()[:-1])
    plan = project.plan(priced(budget={"cost": 19}))
    assert plan.exit_code() == ExitCode.REFUSED
    change = plan.change(JOB)
    assert change is not None
    assert change.obstacle is Obstacle.BUDGET
    assert "cost about 20 is over spec.budget.cost 19" in change.reason
    assert project.apply(priced(budget={"cost": 19})).exit_code == ExitCode.REFUSED
    assert project.writes_to(str(JOB)) == 0
    assert project.apply(priced(budget={"cost": 20})).exit_code == ExitCode.DONE


def test_a_budget_is_held_against_what_a_late_stage_turns_out_to_cost(project: TestProject) -> None:
    outcome = project.apply(priced(budget={"cost": 19}))
    assert outcome.exit_code == ExitCode.REFUSED
    assert "over spec.budget.cost 19" in outcome.applied.refused[JOB]
    assert project.writes_to(str(JOB)) == 0


def test_a_run_over_the_stated_envelope_is_refused_by_the_plan_itself(
    project: TestProject,
) -> None:
    project.apply(priced()[:-1])
    tuned = resource("Endpoint", "tuned", provider="mem", model={"fineTuneJob": "router"})
    wanted = [*priced(), tuned]
    plan = project.plan(wanted, project=_bounded(cost=19))
    held, user = plan.change(JOB), plan.change(tuned.address)
    assert held is not None
    assert held.obstacle is Obstacle.BUDGET
    assert "cost about 20 is over envelope.cost 19; raise envelope.cost in" in held.reason
    assert user is not None
    assert user.obstacle is Obstacle.UPSTREAM
    outcome = project.apply(wanted, project=_bounded(cost=19))
    assert outcome.exit_code == ExitCode.REFUSED
    assert project.writes_to(str(JOB)) == project.writes_to(str(tuned.address)) == 0
    assert project.apply(wanted, project=_bounded(cost=20)).exit_code == ExitCode.DONE


class _Crowd:
    """Counts the calls that are under way at once."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = self.most = 0
        lock, create = threading.Lock(), MemoryAdapter.create

        def counted(adapter: MemoryAdapter, target: Target, key: str) -> Operation:
            with lock:
                self.now += 1
                self.most = max(self.most, self.now)
            threading.Event().wait(0.002)
            try:
                return create(adapter, target, key)
            finally:
                with lock:
                    self.now -= 1

        monkeypatch.setattr(MemoryAdapter, "create", counted)


@pytest.mark.parametrize("limit", [1, 3])
def test_no_more_calls_of_a_kind_at_once_than_its_provider_takes(
    limit: int, project: TestProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = MemoryFactory.capabilities
    few = {**known, "Lake": replace(known["Lake"], max_parallel=limit)}
    monkeypatch.setattr(MemoryFactory, "capabilities", few)
    crowd = _Crowd(monkeypatch)
    lakes = [resource("Lake", f"l{n}", provider="mem", storage=f"{n}") for n in range(12)]
    provider = resource("Provider", "mem", type="memory")
    assert project.apply([provider, *lakes]).exit_code == ExitCode.DONE
    assert 1 <= crowd.most <= limit


def test_a_run_that_waits_for_room_is_charged_once(
    project: TestProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = MemoryFactory.capabilities
    few = {**known, "FineTuneJob": replace(known["FineTuneJob"], max_parallel=1)}
    monkeypatch.setattr(MemoryFactory, "capabilities", few)
    _Crowd(monkeypatch)
    jobs = [
        resource("FineTuneJob", f"j{n}", provider="mem", base="tiny", dataset="Dataset/router")
        for n in range(4)
    ]
    outcome = project.apply([*priced()[:-1], *jobs], project=_bounded(cost=80))
    assert outcome.exit_code == ExitCode.DONE, outcome.applied.decisions
