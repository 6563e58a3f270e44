"""What is removed while it is being made: nothing is left behind, nothing is forgotten."""

from __future__ import annotations

from typing import Any

from loopwright.errors import ExitCode
from loopwright.resources.address import Address
from support.projects import TestProject, flywheel, resource

JOB = Address("FineTuneJob", "router")


def _slow_endpoint() -> list[Any]:
    connection = {"jobSeconds": {"Endpoint": 60}}
    return [
        resource("Provider", "mem", type="memory", connection=connection),
        resource("Endpoint", "chat", provider="mem", model={"base": "tiny"}),
    ]


def test_destroying_an_endpoint_that_is_being_made_leaves_none(project: TestProject) -> None:
    project.apply(_slow_endpoint(), waits=False)
    assert project.world.objects("Endpoint")
    outcome = project.apply(_slow_endpoint(), destroy=True)
    assert outcome.exit_code == ExitCode.DONE
    assert not project.world.objects("Endpoint")
    assert not project.records()


def test_a_running_job_that_left_the_manifests_is_cancelled_and_kept(
    project: TestProject,
) -> None:
    slow = {"jobSeconds": {"FineTuneJob": 3600}}
    users = ("FineTuneJob", "EvalRun", "Endpoint", "Delivery")
    project.apply(flywheel(connection=slow), waits=False)
    left = [found for found in flywheel(connection=slow) if found.kind not in users]
    outcome = project.apply(left, waits=False)
    assert (outcome.applied.failed, outcome.applied.running) == ({}, {})
    record = project.record(str(JOB))
    assert record.retained
    assert record.pending is None
    assert record.revisions[-1].error == "cancelled"


def test_a_doubt_is_not_destroyed_with_its_record(project: TestProject) -> None:
    fail = {"action": "create", "kind": "Lake", "how": "timeoutAfter", "times": 1}
    declared = [
        resource(
            "Provider",
            "mem",
            type="memory",
            connection={"idempotency": "none", "faults": {"fail": [fail]}},
        ),
        resource("Lake", "main", provider="mem", storage="lake"),
    ]
    project.apply(declared)
    assert project.plan(declared).exit_code() == ExitCode.DECISION
    outcome = project.apply(declared, destroy=True, delete_data=True)
    assert outcome.exit_code == ExitCode.DECISION
    assert set(map(str, project.records())) == {"Provider/mem", "Lake/main"}
    assert len(project.world.objects("Lake")) == 1
