"""A plan gives numbers for runs whose inputs it has yet to make, and holds budgets against them."""

from __future__ import annotations

from typing import Any

import pytest

from loopwright.errors import ExitCode
from loopwright.planning.change import Action, Change, Obstacle
from loopwright.providers.base import Estimate, Range
from loopwright.resources.address import Address
from support.projects import TestProject, flywheel, resource

JOB = Address("FineTuneJob", "router")


def priced(ratio: float = 0.2, **job: Any) -> list[Any]:
    """10,000 calls; a row is 200 tokens; 100 CNY the million."""
    provider = resource(
        "Provider",
        "mem",
        type="memory",
        prices={"currency": "CNY", "trainingPerMillionTokens": 100},
    )
    tuned = resource(
        "FineTuneJob", "router", provider="mem", base="tiny", dataset="Dataset/router", **job
    )
    own = {provider.address: provider, JOB: tuned}
    return [own.get(found.address, found) for found in flywheel(ratio=ratio)]


def planned(project: TestProject, resources: list[Any]) -> Change:
    change = project.plan(resources).change(JOB)
    assert change is not None
    assert change.action is Action.RUN
    return change


def test_an_edit_of_the_sample_tells_what_training_on_it_comes_to(project: TestProject) -> None:
    project.apply(priced(0.2))
    change = planned(project, priced(0.3))
    assert change.stage > 1
    assert change.estimate is not None
    assert change.estimate.rows == Range(3_000, 2_700, pytest.approx(3_300))
    assert change.estimate.cost == Range(60, 54, pytest.approx(66))


def test_what_nothing_is_known_of_gets_no_numbers(project: TestProject) -> None:
    found = planned(project, priced()).estimate  # there is no lake yet to count in
    assert found == Estimate(notes=("counted once Dataset/router is there",))


def test_a_budget_holds_before_the_data_are_made(project: TestProject) -> None:
    project.apply(priced(0.2))
    bounded = priced(0.3, budget={"cost": 50})
    change = planned(project, bounded)
    assert change.obstacle is Obstacle.BUDGET
    assert "cost about 60 is over spec.budget.cost 50" in change.reason
    assert project.apply(bounded).exit_code == ExitCode.REFUSED
    assert project.writes_to(str(JOB), "create") == 1


def test_the_approval_covers_what_was_foreseen(project: TestProject) -> None:
    project.apply(priced(0.2))
    plan = project.plan(priced(0.3))
    assert plan.totals.cost == Range(60, 54, pytest.approx(66))
    assert project.apply(priced(0.3)).exit_code == ExitCode.DONE
    assert project.writes_to(str(JOB), "create") == 2
