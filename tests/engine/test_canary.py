"""A candidate that takes over step by step: it ends, goes back by itself, or is taken back."""

from __future__ import annotations

from typing import Any

import pytest

from loopwright.engine.events import EventType
from loopwright.engine.mending import decide, roll_back
from loopwright.errors import DecisionNeededError, ExitCode, LoopwrightError
from loopwright.planning.change import Action, Obstacle
from loopwright.planning.decisions import decision_lines
from support.canaries import PROD, canaried
from support.projects import TestProject

_FIRST, _TUNED = {"base": "tiny"}, {"model": "Model/router@1"}


def serves(project: TestProject, declared: list[Any]) -> Any:
    """What the world says, once our record says the same."""
    plan = project.plan(declared)
    assert not [drift for drift in plan.drift if drift.address == PROD]
    return project.record(str(PROD)).spec["model"]


def change_of(project: TestProject, declared: list[Any]) -> Any:
    return project.plan(declared).change(PROD)


def begin(project: TestProject, declared: list[Any]) -> None:
    """Pass by pass until the candidate answers its first calls."""
    for _ in range(8):
        project.apply(declared, waits=False)
        pending = project.record(str(PROD)).pending
        if pending is not None and pending.promotes:
            return
    raise AssertionError("no promotion began")


def reject(project: TestProject, *, approves: bool = False) -> str:
    declared = project.reconciler(canaried()).declared
    with project.session() as session:
        return decide(
            declared, session, PROD, approves=approves, by="li", reason="odd", clock=project.clock
        )


def test_one_apply_sees_it_through_all_steps(project: TestProject) -> None:
    began = project.clock.now()
    assert project.apply(canaried()).exit_code == ExitCode.DONE
    assert (project.clock.now() - began).total_seconds() == pytest.approx(1200)
    assert serves(project, canaried()) == _TUNED
    assert project.plan(canaried()).is_empty
    shares = [
        event.progress.done
        for event in project.events
        if event.type is EventType.PROGRESS and event.address == str(PROD) and event.progress
    ]
    assert shares == [5, 25]
    assert project.writes_to(str(PROD), "update") == 1


def test_passes_bring_it_on_and_the_plan_tells_how_far_it_is(project: TestProject) -> None:
    begin(project, canaried())
    for share in (5, 25):
        change = change_of(project, canaried())
        assert (change.action, change.obstacle) == (Action.WAIT, Obstacle.RUNNING)
        assert (change.symbol, change.revision) == ("^", "v1")
        assert change.reason.startswith("promote since 2026-01-01T")
        assert change.reason.endswith(f": {share} %, error rate 0.0 %")
        assert project.record(str(PROD)).spec["model"] == _FIRST
        assert "value" not in project.record(str(PROD)).promoted
        project.clock.advance(601)
        code = project.apply(canaried(), waits=False).exit_code
        assert code == (ExitCode.WAITING if share == 5 else ExitCode.DONE)
    assert serves(project, canaried()) == _TUNED


def test_a_plan_tells_how_far_it_is_now_not_at_the_last_pass(project: TestProject) -> None:
    begin(project, canaried())
    project.clock.advance(601)
    before = len(project.journal())
    assert ": 25 %, error rate" in change_of(project, canaried()).reason
    assert len(project.journal()) == before


def test_one_that_breaks_its_bounds_goes_back_and_stays_out(project: TestProject) -> None:
    declared = canaried(0.071, since=25)
    outcome = project.apply(declared)
    assert outcome.exit_code == ExitCode.DONE
    assert outcome.applied.rejected == {PROD: "v1 went back: error rate 7.1 % > 2 % at 25 %"}
    assert serves(project, declared) == _FIRST
    plan = project.plan(declared)
    assert plan.is_empty
    reason = "v1 of FineTuneJob/router was rejected: error rate 7.1 % > 2 % at 25 %"
    assert change_of(project, declared).reason == reason
    writes = len(project.writes())
    assert project.apply(declared).exit_code == ExitCode.DONE
    assert len(project.writes()) == writes
    record = project.record(str(PROD))
    assert not record.last_error
    assert "value" not in record.promoted
    told = next(iter(decision_lines(record)))
    assert "v1 rejected, by its canary: error rate 7.1 % > 2 % at 25 %; composite" in told
    entry = project.journal("verdict")[-1]
    assert entry.data["status"] == "rejected"
    assert entry.data["evidence"]["evalRun"] == "EvalRun/candidate"


def test_the_next_candidate_is_let_try(project: TestProject) -> None:
    project.apply(canaried(0.071))
    assert project.apply(canaried(0, seed=2)).exit_code == ExitCode.DONE
    assert serves(project, canaried(0, seed=2)) == {"model": "Model/router@2"}


def test_one_that_a_person_lets_in_again_starts_anew(project: TestProject) -> None:
    project.apply(canaried(0.071))
    reject(project, approves=True)
    assert project.apply(canaried(0)).exit_code == ExitCode.DONE
    assert serves(project, canaried(0)) == _TUNED


def test_a_person_takes_it_back_while_it_is_under_way(project: TestProject) -> None:
    begin(project, canaried())
    assert reject(project) == "v1 of FineTuneJob/router is rejected; the next apply takes it back."
    assert project.apply(canaried()).exit_code == ExitCode.DONE
    assert serves(project, canaried()) == _FIRST
    project.clock.advance(7200)
    assert serves(project, canaried()) == _FIRST
    assert project.plan(canaried()).is_empty
    assert change_of(project, canaried()).reason.endswith("was rejected: odd")


def test_nothing_else_is_decided_while_it_is_under_way(project: TestProject) -> None:
    begin(project, canaried())
    with pytest.raises(LoopwrightError, match="is taking over Endpoint/prod already"):
        reject(project, approves=True)
    with project.session() as session, pytest.raises(DecisionNeededError) as raised:
        roll_back(session, PROD, None, by="li", reason="", clock=project.clock)
    assert "loopwright reject Endpoint/prod" in (raised.value.hint or "")
