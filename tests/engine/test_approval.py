"""`approve: manual`: a person has the last word, and passes respect it."""

from __future__ import annotations

from typing import Any

import pytest

from loopwright.engine.mending import decide
from loopwright.errors import ExitCode, LoopwrightError
from loopwright.planning.change import Action
from loopwright.resources.address import Address
from support.projects import TestProject, flywheel, resource

PROD = Address("Endpoint", "prod")


def manual() -> list[Any]:
    gate = {"evalRun": "candidate", "minComposite": 1}
    asked = resource(
        "Endpoint",
        "prod",
        provider="mem",
        model={"base": "tiny"},
        promote={"from": "router", "gate": gate, "approve": "manual"},
    )
    return [asked if found.address == PROD else found for found in flywheel()]


def _say(project: TestProject, *, approves: bool) -> str:
    declared = project.reconciler(manual()).declared
    with project.workspace.state().session(holder="li", command="approve") as session:
        return decide(
            declared, session, PROD, approves=approves, by="li", reason="", clock=project.clock
        )


def test_nothing_is_promoted_before_it_is_approved(project: TestProject) -> None:
    outcome = project.apply(manual())
    assert outcome.exit_code == ExitCode.DECISION
    assert "loopwright approve Endpoint/prod" in outcome.applied.decisions[PROD]
    assert not project.record("Endpoint/prod").promoted
    _say(project, approves=True)
    assert project.apply(manual()).exit_code == ExitCode.DONE
    assert project.record("Endpoint/prod").promoted["value"] == {"model": "Model/router@1"}
    assert project.plan(manual()).is_empty


def test_what_is_rejected_stays_out_and_is_not_asked_again(project: TestProject) -> None:
    project.apply(manual())
    _say(project, approves=False)
    change = project.plan(manual()).change(PROD)
    assert change is not None
    assert change.action is Action.NOOP
    assert "was rejected" in change.reason
    assert project.apply(manual()).exit_code == ExitCode.DONE


def test_a_rejection_can_be_taken_back(project: TestProject) -> None:
    project.apply(manual())
    _say(project, approves=False)
    _say(project, approves=True)
    project.apply(manual())
    assert project.record("Endpoint/prod").promoted["value"] == {"model": "Model/router@1"}


def test_there_is_nothing_to_say_of_what_serves_already(project: TestProject) -> None:
    project.apply(manual())
    _say(project, approves=True)
    project.apply(manual())
    with pytest.raises(LoopwrightError, match="not serving already"):
        _say(project, approves=True)
