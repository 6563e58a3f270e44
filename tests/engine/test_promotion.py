"""A candidate takes over when its gate passes, and not a moment before."""

from __future__ import annotations

from typing import Any

import pytest

from loopwright.errors import ExitCode
from loopwright.planning.change import Action, Obstacle
from loopwright.resources.address import Address
from support.projects import TestProject, flywheel, resource

PROD = Address("Endpoint", "prod")
_FIRST, _TUNED = {"base": "tiny"}, {"model": "Model/router@1"}


def gated(
    score: float = 80, *, ratio: float = 0.2, model: Any = None, seconds: float = 0, **gate: Any
) -> list[Any]:
    """The loop with an evaluation that finds `score`, behind a gate."""
    slow = {"FineTuneJob": seconds, "EvalRun": seconds}
    connection = {"scores": {"candidate": {"composite": score}}, "jobSeconds": slow}
    approve = gate.pop("approve", "auto")
    return [
        *(found for found in flywheel(ratio=ratio, connection=connection) if found.address != PROD),
        resource(
            "Endpoint",
            "prod",
            provider="mem",
            model=model or _FIRST,
            promote={
                "from": "router",
                "gate": {"evalRun": "candidate", **gate},
                "approve": approve,
            },
        ),
    ]


def _serves(project: TestProject) -> Any:
    thing = next(found for found in project.world.objects("Endpoint") if found.name == "prod")
    assert thing.spec["model"] == project.record(str(PROD)).spec["model"]
    return thing.spec["model"]


def _change(project: TestProject, resources: list[Any]) -> Any:
    change = project.plan(resources).change(PROD)
    assert change is not None
    return change


def test_at_the_bound_it_passes_and_the_numbers_are_kept(project: TestProject) -> None:
    assert project.apply(gated(80, minComposite=80)).exit_code == ExitCode.DONE
    assert _serves(project) == _TUNED
    promoted = project.record(str(PROD)).promoted
    assert (promoted["value"], promoted["verdict"]) == (_TUNED, "composite 80.0 >= 80")
    assert [
        entry.data["reason"]
        for entry in project.journal("intent")
        if entry.data["action"] == "promote"
    ] == ["composite 80.0 >= 80"]


def test_below_the_bound_it_is_refused_with_the_numbers(project: TestProject) -> None:
    declared = gated(79.9, minComposite=80)
    assert project.apply(declared).exit_code == ExitCode.DONE
    assert _serves(project) == _FIRST
    change = _change(project, declared)
    assert change.action is Action.NOOP
    assert change.reason == "v1 of FineTuneJob/router is not promoted: composite 79.9 < 80"


def test_the_plan_shows_both_futures(project: TestProject) -> None:
    change = _change(project, gated(minComposite=80))
    assert change.if_passed.startswith("model becomes the model by FineTuneJob/router")
    assert change.if_refused == "model stays as it is"


def test_while_the_candidate_is_made_or_judged_the_gate_stays_shut(project: TestProject) -> None:
    declared = gated(minComposite=80, seconds=600)
    codes = []
    while (code := project.apply(declared, waits=False).exit_code) != ExitCode.DONE:
        codes.append(code)
        assert _serves(project) == _FIRST
        project.clock.advance(200)
        assert len(codes) < 30
    assert set(codes) == {ExitCode.WAITING}
    assert _serves(project) == _TUNED
    assert project.writes_to("FineTuneJob/router", "create") == 1


def test_a_regression_is_judged_only_beside_a_result_of_the_incumbent(project: TestProject) -> None:
    declared = gated(99, maxRegression=1)
    assert project.apply(declared).exit_code == ExitCode.WAITING
    change = _change(project, declared)
    assert (change.action, change.obstacle) == (Action.GATED, Obstacle.GATE)
    assert "a result of the incumbent" in change.reason
    assert _serves(project) == _FIRST


def test_what_was_promoted_stays_while_the_next_candidate_fails_its_gate(
    project: TestProject,
) -> None:
    project.apply(gated(80, minComposite=80))
    worse = gated(10, minComposite=80, ratio=0.3)
    assert project.apply(worse).exit_code == ExitCode.DONE
    assert project.record("FineTuneJob/router").current == 2
    assert _serves(project) == _TUNED
    assert project.plan(worse).is_empty


def test_a_better_one_takes_over_from_the_promoted(project: TestProject) -> None:
    project.apply(gated(80, minComposite=80))
    project.apply(gated(90, minComposite=80, ratio=0.3))
    assert _serves(project) == {"model": "Model/router@2"}


def test_a_promotion_outlives_edits_of_everything_but_the_model(project: TestProject) -> None:
    project.apply(gated(80, minComposite=80))
    loosened = gated(80, minComposite=5)
    project.apply(loosened)
    assert _serves(project) == _TUNED
    assert project.plan(loosened).is_empty


def test_editing_the_model_resets_it_to_the_manifest(project: TestProject) -> None:
    project.apply(gated(80, minComposite=80))
    edited = gated(80, minComposite=90, model={"base": "small"})
    project.apply(edited)
    assert _serves(project) == {"base": "small"}
    assert project.plan(edited).is_empty


def test_a_model_changed_by_hand_goes_back_to_the_promoted_one(project: TestProject) -> None:
    declared = gated(80, minComposite=80)
    project.apply(declared)
    project.world.edit(project.record(str(PROD)).external_id, model=_FIRST)
    project.apply(declared)
    assert _serves(project) == _TUNED


def test_with_manual_approval_a_person_has_the_last_word(project: TestProject) -> None:
    declared = gated(80, minComposite=80, approve="manual")
    outcome = project.apply(declared)
    assert outcome.exit_code == ExitCode.DECISION
    assert "loopwright approve Endpoint/prod" in outcome.applied.decisions[PROD]
    assert _serves(project) == _FIRST


@pytest.mark.parametrize("score", [10, 90])
def test_without_a_bound_an_evaluation_is_enough(score: float, project: TestProject) -> None:
    project.apply(gated(score))
    assert _serves(project) == _TUNED
