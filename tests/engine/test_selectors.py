"""Selectors: an apply touches nothing that its plan did not name."""

from __future__ import annotations

from typing import Any

import pytest

from loopwright.errors import ExitCode, PlanError
from loopwright.planning.change import Action
from support.projects import TestProject, flywheel


def _touched(project: TestProject) -> set[str]:
    return {write.address for write in project.writes()}


def _pending(project: TestProject, **selection: Any) -> set[str]:
    return {str(change.address) for change in project.plan(flywheel(), **selection).pending}


def test_a_target_brings_what_it_needs_and_nothing_else(project: TestProject) -> None:
    selection = {"targets": ("Dataset/router",)}
    needed = {"Provider/mem", "Lake/main", "Dataset/router"}
    assert _pending(project, **selection) == needed
    project.apply(flywheel(), **selection)
    assert _touched(project) == needed - {"Provider/mem"}
    assert {str(address) for address in project.records()} == needed


def test_an_exclusion_leaves_it_and_what_needs_it(project: TestProject) -> None:
    selection = {"excludes": ("Dataset/router",)}
    assert _pending(project, **selection) == {
        "Provider/mem",
        "Lake/main",
        "Endpoint/prod",
        "Delivery/prod",
    }
    project.apply(flywheel(), **selection)
    assert _touched(project) == {"Lake/main", "Endpoint/prod", "Delivery/prod"}


def test_a_partial_apply_deletes_only_what_it_was_told_to(project: TestProject) -> None:
    project.apply(flywheel())
    less = [found for found in flywheel() if found.kind not in ("Delivery", "Export")]
    assert project.plan(less, targets=("Lake/main",)).is_empty
    plan = project.plan(less, targets=("Delivery/prod",))
    assert [(str(change.address), change.action) for change in plan.pending] == [
        ("Delivery/prod", Action.DELETE)
    ]


def test_replace_runs_again_what_is_up_to_date_and_what_builds_on_it_follows(
    project: TestProject,
) -> None:
    project.apply(flywheel())
    plan = project.plan(flywheel(), replaces=("EvalRun/candidate",))
    assert [(str(change.address), change.action) for change in plan.pending] == [
        ("EvalRun/candidate", Action.RUN)
    ]
    project.apply(flywheel(), replaces=("EvalRun/candidate",))
    assert project.record("EvalRun/candidate").current == 2
    assert project.writes_to("Dataset/router", "create") == 1


@pytest.mark.parametrize("selector", ["targets", "excludes", "replaces"])
def test_what_nobody_knows_cannot_be_selected(selector: str, project: TestProject) -> None:
    with pytest.raises(PlanError, match="Lake/nowhere is neither declared nor in the state"):
        project.plan(flywheel(), **{selector: ("Lake/nowhere",)})
    with pytest.raises(PlanError):
        project.plan(flywheel(), **{selector: ("nonsense",)})


def test_the_next_plain_apply_does_the_rest(project: TestProject) -> None:
    project.apply(flywheel(), targets=("Dataset/router",))
    assert project.apply(flywheel()).exit_code == ExitCode.DONE
    assert project.plan(flywheel()).is_empty
    assert project.writes_to("Dataset/router", "create") == 1
