"""Runs: started once, tried again only when that may help, left running, reused."""

from __future__ import annotations

from typing import Any

from loopwright.errors import ExitCode
from loopwright.planning.change import Action, Obstacle
from loopwright.resources.address import Address
from support.projects import TestProject, flywheel, resource

JOB = Address("FineTuneJob", "router")


def _jobs(project: TestProject) -> int:
    return sum(
        write.effective and write.action == "create" and write.address == str(JOB)
        for write in project.world.writes
    )


def _failing(how: str, times: int) -> list[Any]:
    rule = {"kind": "FineTuneJob", "how": how, "times": times}
    return flywheel(connection={"faults": {"failJobs": [rule]}})


def test_a_run_that_fails_for_good_is_not_started_again(project: TestProject) -> None:
    declared = _failing("permanent", 1)
    assert project.apply(declared).exit_code == ExitCode.PARTIAL
    assert project.apply(declared).exit_code == ExitCode.PARTIAL
    assert _jobs(project) == 1
    change = project.plan(declared).change(JOB)
    assert change is not None
    assert (change.action, change.obstacle) == (Action.WAIT, Obstacle.FAILED)
    assert "--replace FineTuneJob/router" in change.reason


def test_replace_starts_it_again(project: TestProject) -> None:
    declared = _failing("permanent", 1)
    project.apply(declared)
    assert project.apply(declared, replaces=(str(JOB),)).exit_code == ExitCode.DONE
    assert _jobs(project) == 2
    assert project.record(str(JOB)).current == 2
    assert project.plan(declared).is_empty


def test_a_passing_failure_is_tried_again_within_the_limit(project: TestProject) -> None:
    declared = _failing("transient", 5)
    for _ in range(5):
        project.apply(declared)
    assert _jobs(project) == 3
    assert project.record(str(JOB)).revisions[-1].attempt == 3


def test_independent_branches_go_on_after_a_failure(project: TestProject) -> None:
    outcome = project.apply(_failing("permanent", 1))
    assert project.record("Export/router").current == 1
    reason = outcome.applied.waiting[Address("Endpoint", "candidate")]
    assert reason.startswith("waits for FineTuneJob/router: v1 failed")


def test_without_wait_a_slow_run_is_left_running_and_found_again(project: TestProject) -> None:
    declared = flywheel(connection={"jobSeconds": {"FineTuneJob": 3600}})
    outcome = project.apply(declared, waits=False)
    assert outcome.exit_code == ExitCode.WAITING
    assert JOB in outcome.applied.running
    assert project.apply(declared, waits=False).exit_code == ExitCode.WAITING
    project.clock.advance(3600)
    assert project.apply(declared).exit_code == ExitCode.DONE
    assert _jobs(project) == 1


def test_wait_brings_the_whole_loop_to_its_end(project: TestProject) -> None:
    declared = flywheel(connection={"jobSeconds": {"Dataset": 60, "FineTuneJob": 7200}})
    assert project.apply(declared).exit_code == ExitCode.DONE
    assert project.record("Endpoint/prod").promoted["value"] == {"model": "Model/router@1"}
    assert project.plan(declared).is_empty


def test_going_back_reuses_the_earlier_runs(project: TestProject) -> None:
    first, second = flywheel(ratio=0.2), flywheel(ratio=0.3)
    project.apply(first)
    before = project.record("Dataset/router")
    project.apply(second)
    assert project.record("Dataset/router").current == 2
    plan = project.plan(first)
    actions = {change.address: change.action for change in plan.pending}
    written_over = actions.pop(Address("Export", "router"))
    assert written_over is Action.RUN
    assert set(actions.values()) <= {Action.REUSE, Action.UPDATE, Action.GATED}
    project.apply(first)
    after = project.record("Dataset/router")
    assert (after.current, after.digest) == (1, before.digest)
    assert _jobs(project) == 2
    assert project.plan(first).is_empty


def test_a_cosmetic_edit_runs_nothing(project: TestProject) -> None:
    def job(kept: int) -> list[Any]:
        return [
            *(found for found in flywheel() if found.address != JOB),
            resource(
                "FineTuneJob",
                "router",
                provider="mem",
                base="tiny",
                dataset="Dataset/router",
                modelsKept=kept,
                attempts=2,
            ),
        ]

    project.apply(job(1))
    plan = project.plan(job(3))
    assert [change.action for change in plan.pending] == [Action.UPDATE]
    assert not plan.pending[0].in_world
    project.apply(job(3))
    assert _jobs(project) == 1
    assert project.plan(job(3)).is_empty


def test_fewer_rows_than_count_wait_and_say_how_many(project: TestProject) -> None:
    declared = [
        resource("Provider", "mem", type="memory", connection={"lakeCalls": 312}),
        resource("Lake", "main", provider="mem", storage="lake"),
        resource("Dataset", "d", provider="mem", source={"lake": "main"}, sampling={"count": 1000}),
    ]
    outcome = project.apply(declared)
    assert outcome.exit_code == ExitCode.WAITING
    assert "312 of 1,000 rows" in outcome.applied.waiting[Address("Dataset", "d")]
    assert not project.world.objects("Dataset")
    project.world.calls("main", 2000)
    assert project.apply(declared).exit_code == ExitCode.DONE


def test_a_run_behind_an_unchanged_suite_waits_for_what_the_suite_builds_on(
    project: TestProject,
) -> None:
    def judged(ratio: float) -> list[Any]:
        kept = {"Provider/mem", "Lake/main", "Dataset/router", "EvalSuite/routing"}
        return [
            *(found for found in flywheel(ratio=ratio) if str(found.address) in kept),
            resource("Endpoint", "base", provider="mem", model={"base": "tiny"}),
            resource("EvalRun", "base", provider="mem", suite="routing", endpoint="base"),
        ]

    project.apply(judged(0.2))
    plan = project.plan(judged(0.3))
    run = plan.change(Address("EvalRun", "base"))
    assert run is not None
    assert (run.action, run.after) == (Action.RUN, (Address("Dataset", "router"),))
    assert project.apply(judged(0.3)).exit_code == ExitCode.DONE
    assert project.writes_to("EvalRun/base", "create") == 2
    assert project.plan(judged(0.3)).is_empty


def test_what_builds_on_a_run_that_is_under_way_waits_for_it(project: TestProject) -> None:
    slow = {"jobSeconds": {"FineTuneJob": 600}}
    project.apply(flywheel(connection=slow))
    project.apply(flywheel(ratio=0.3, connection=slow), waits=False)
    plan = project.plan(flywheel(ratio=0.3, connection=slow))
    obstacles = {str(change.address): change.obstacle for change in plan.pending}
    assert obstacles == {
        "FineTuneJob/router": Obstacle.RUNNING,
        "Endpoint/candidate": Obstacle.UPSTREAM,
        "EvalRun/candidate": Obstacle.UPSTREAM,
    }
