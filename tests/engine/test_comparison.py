"""A candidate beside the model that serves now: judged on one comparison, run once."""

from __future__ import annotations

from typing import Any

import pytest

from loopwright.engine.mending import roll_back
from loopwright.errors import ExitCode
from loopwright.planning.decisions import decision_lines, decisions
from loopwright.resources.address import Address
from support.projects import TestProject, flywheel, resource

PROD = Address("Endpoint", "prod")
RUN = Address("EvalRun", "candidate")
_FIRST = {"base": "tiny"}


def compared(
    better: float = 12.4,
    *,
    seed: int = 0,
    model: Any = None,
    composite: float = 91.2,
    failed: int = 0,
    **gate: Any,
) -> list[Any]:
    """The loop whose evaluation compares the candidate with what serves now.

    The memory provider's bound at a confidence of c lies 3 - 6 (1 - c) points under the difference.
    """
    score = {"composite": composite, "differences": {"routing": better}, "failed": failed}
    asked = {"minComposite": 60, "maxRegression": 1} | gate
    own = [
        resource(
            "Endpoint",
            "prod",
            provider="mem",
            model=model or _FIRST,
            promote={"from": "router", "gate": {"evalRun": "candidate", **asked}},
        ),
        resource(
            "EvalRun",
            "candidate",
            provider="mem",
            suite="routing",
            endpoint="candidate",
            baseline="prod",
        ),
        resource("FineTuneJob", "router", provider="mem", base="tiny", dataset="router", seed=seed),
    ]
    replaced = {found.address: found for found in own}
    loop = flywheel(connection={"scores": {"candidate": score}})
    return [replaced.get(found.address, found) for found in loop]


def serves(project: TestProject) -> Any:
    return project.record(str(PROD)).spec["model"]


def evaluations(project: TestProject) -> int:
    return project.writes_to(str(RUN), "create")


def reason(project: TestProject, declared: list[Any]) -> str:
    change = project.plan(declared).change(PROD)
    assert change is not None
    return change.reason


def test_its_own_promotion_is_no_cause_to_evaluate_again(project: TestProject) -> None:
    assert project.apply(compared()).exit_code == ExitCode.DONE
    assert serves(project) == {"model": "Model/router@1"}
    assert project.plan(compared()).is_empty
    assert project.apply(compared()).exit_code == ExitCode.DONE
    assert evaluations(project) == 1


def test_the_same_model_is_the_same_wherever_it_is_served(project: TestProject) -> None:
    project.apply(compared())
    candidate, prod = project.record("Endpoint/candidate"), project.record(str(PROD))
    assert candidate.digest == prod.digest == project.record("FineTuneJob/router").digest


def test_a_rollback_is_no_cause_to_evaluate_again(project: TestProject) -> None:
    project.apply(compared())
    with project.session() as session:
        roll_back(session, PROD, None, by="li", reason="worse", clock=project.clock)
    assert project.apply(compared()).exit_code == ExitCode.DONE
    assert serves(project) == _FIRST
    assert project.plan(compared()).is_empty
    assert evaluations(project) == 1


def test_another_incumbent_is_a_cause(project: TestProject) -> None:
    project.apply(compared(-9))
    assert serves(project) == _FIRST
    other = compared(-9, model={"base": "small"})
    assert project.apply(other).exit_code == ExitCode.DONE
    assert evaluations(project) == 2
    revision = project.record(str(RUN)).current_revision
    assert revision is not None
    assert revision.inputs["baseline"] == project.record(str(PROD)).digest
    assert project.plan(other).is_empty


def test_the_next_candidate_is_held_beside_the_promoted(project: TestProject) -> None:
    project.apply(compared())
    assert project.apply(compared(0.1, seed=2, maxRegression=3)).exit_code == ExitCode.DONE
    assert serves(project) == {"model": "Model/router@2"}
    first, second = decisions(project.record(str(PROD)))
    assert second["incumbent"] == first["candidate"]
    assert (first["evalRevision"], second["evalRevision"]) == (1, 2)


def test_going_back_to_the_promoted_model_evaluates_nothing(project: TestProject) -> None:
    project.apply(compared())
    project.apply(compared(-9, seed=2))
    assert evaluations(project) == 2
    assert project.apply(compared()).exit_code == ExitCode.DONE
    assert project.plan(compared()).is_empty
    assert evaluations(project) == 2


def test_the_verdict_is_on_record_with_its_numbers(project: TestProject) -> None:
    project.apply(compared())
    facts = "composite 91.2 >= 60; routing +12.4 (at least +9.7 with 95 % confidence)"
    (decided,) = decisions(project.record(str(PROD)))
    assert "; ".join(decided["facts"]) == facts
    assert decided["decision"] == "promoted"
    assert decided["candidate"] == project.record("FineTuneJob/router").digest
    assert decided["capabilities"] == {"routing": {"difference": 12.4, "atLeast": 9.7}}
    (told,) = decision_lines(project.record(str(PROD)))
    assert told.endswith(f"v1 promoted: {facts} (EvalRun/candidate v1)")
    done = [entry for entry in project.journal("verdict") if entry.data.get("evidence")]
    assert [entry.data["reason"] for entry in done] == [facts]


@pytest.mark.parametrize(
    ("confidence", "passes"), [(0.5, True), (0.6, True), (0.8, False), (0.95, False)]
)
def test_the_asked_confidence_decides(
    confidence: float, passes: bool, project: TestProject
) -> None:
    """0.3 better; surely at least 0.3, -0.3, -1.5 and -2.4."""
    project.apply(compared(0.3, confidence=confidence))
    assert (serves(project) != _FIRST) is passes


def test_a_worse_one_is_refused_once_and_nothing_is_run_again(project: TestProject) -> None:
    declared = compared(-2.5)
    assert project.apply(declared).exit_code == ExitCode.DONE
    words = "routing -2.5 (at least -5.2 with 95 % confidence) < -1"
    assert words in reason(project, declared)
    writes, serial = len(project.writes()), project.workspace.state().serial
    assert project.apply(declared).exit_code == ExitCode.DONE
    assert len(project.writes()) == writes
    (refused,) = project.journal("refused")
    assert words in refused.data["reason"]
    (decided,) = decisions(project.record(str(PROD)))
    assert (decided["decision"], decided["revision"]) == ("refused", 1)
    assert project.workspace.state().serial - serial <= 2  # the lock, taken and given back


def test_what_answers_nothing_is_refused_with_a_reason(project: TestProject) -> None:
    declared = compared(failed=100)
    assert project.apply(declared).exit_code == ExitCode.DONE
    assert serves(project) == _FIRST
    assert reason(project, declared).endswith("is not promoted: none of 100 items was answered")


def test_items_without_an_answer_are_told(project: TestProject) -> None:
    project.apply(compared(failed=3))
    (decided,) = decisions(project.record(str(PROD)))
    assert decided["facts"][-1] == "3 of 100 items failed and score 0"


def test_an_evaluation_that_fails_is_told_as_the_reason(project: TestProject) -> None:
    doomed = {"kind": "EvalRun", "how": "permanent", "times": 9}
    loop = [found for found in compared() if found.kind != "Provider"]
    provider = resource(
        "Provider", "mem", type="memory", connection={"faults": {"failJobs": [doomed]}}
    )
    assert project.apply([provider, *loop]).exit_code == ExitCode.PARTIAL
    assert serves(project) == _FIRST
    told = reason(project, [provider, *loop])
    assert told.startswith("v1 of FineTuneJob/router is not promoted: EvalRun/candidate: v1 failed")
