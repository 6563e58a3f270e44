"""What an apply ends with, and which code wins where several hold: 1, 7, 6, 5, 4."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest

from loopwright.engine.applied import Applied
from loopwright.errors import ExitCode
from loopwright.resources.address import Address
from support.projects import TestProject, flywheel, resource

_AT = {Address("Lake", "main"): "why"}
_ONE: dict[ExitCode, dict[str, Any]] = {
    ExitCode.ERROR: {"interrupted": True},
    ExitCode.REFUSED: {"refused": _AT},
    ExitCode.DECISION: {"decisions": _AT},
    ExitCode.PARTIAL: {"failed": _AT},
    ExitCode.WAITING: {"waiting": _AT},
}


def test_nothing_to_say_is_done() -> None:
    assert Applied().exit_code == ExitCode.DONE


@pytest.mark.parametrize("where", ["running", "waiting", "manual"])
def test_what_is_not_over_is_waiting(where: str) -> None:
    assert Applied(**{where: _AT}).exit_code == ExitCode.WAITING


@pytest.mark.parametrize(("first", "second"), list(combinations(_ONE, 2)))
def test_the_graver_code_wins(first: ExitCode, second: ExitCode) -> None:
    assert Applied(**_ONE[first], **_ONE[second]).exit_code == first


def test_a_plan_says_that_changes_are_pending_only_when_asked(project: TestProject) -> None:
    plan = project.plan(flywheel())
    assert (plan.exit_code(), plan.exit_code(detailed=True)) == (ExitCode.DONE, ExitCode.CHANGES)
    project.apply(flywheel())
    assert project.plan(flywheel()).exit_code(detailed=True) == ExitCode.DONE


def test_a_plan_that_can_only_wait_says_so(project: TestProject) -> None:
    declared = [
        resource("Provider", "mem", type="memory", connection={"lakeCalls": 5}),
        resource("Lake", "main", provider="mem", storage="lake"),
        resource("Dataset", "d", provider="mem", source={"lake": "main"}, sampling={"count": 9}),
    ]
    project.apply(declared)
    assert project.plan(declared).exit_code(detailed=True) == ExitCode.WAITING


def test_an_apply_that_nobody_approved_does_nothing(project: TestProject) -> None:
    outcome = project.apply(flywheel(), approve=lambda plan: False)
    assert not outcome.approved
    assert not project.world.writes
    assert not project.records()
    assert project.workspace.state().serial == 0
