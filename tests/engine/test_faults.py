"""Calls that fail: tried again when that may help, told when it does not, never made twice."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright.engine.events import EventType
from loopwright.errors import ExitCode, PlanError, TransientError
from loopwright.planning.change import Action, DriftClass
from loopwright.providers.memory.adapter import MemoryAdapter
from loopwright.resources.address import Address
from support.portraits import creations, orphans
from support.projects import TestProject, flywheel, resource


def _failing(action: str, kind: str, how: str, times: int = 1) -> dict[str, Any]:
    rule = {"action": action, "kind": kind, "how": how, "times": times}
    return {"faults": {"fail": [rule]}}


def _lake(connection: dict[str, Any]) -> list[Any]:
    return [
        resource("Provider", "mem", type="memory", connection=connection),
        resource("Lake", "main", provider="mem", storage="lake"),
        resource("Endpoint", "chat", provider="mem", model={"base": "tiny"}),
        resource("Delivery", "chat", provider="mem", endpoint="chat", lake="main"),
    ]


@given(st.integers(0, 10_000), st.sampled_from(["token", "name"]))
@settings(max_examples=10)
def test_with_every_fifth_call_failing_it_converges_and_makes_everything_once(
    tmp_path_factory: pytest.TempPathFactory, seed: int, mode: str
) -> None:
    project = TestProject(tmp_path_factory.mktemp("faults"))
    for attempt in range(8):
        faults = {"transientRate": 0.2, "seed": seed + attempt}
        try:
            project.apply(flywheel(connection={"faults": faults, "idempotency": mode}))
        except PlanError:  # could not look: nothing was done
            continue
    healthy = flywheel(connection={"idempotency": mode})
    assert project.apply(healthy).exit_code == ExitCode.DONE
    assert project.plan(healthy).is_empty
    assert set(creations(project).values()) == {1}
    assert not orphans(project)


def test_a_passing_failure_is_tried_again_and_told(project: TestProject) -> None:
    declared = _lake(_failing("create", "Lake", "transient", 3))
    assert project.apply(declared).exit_code == ExitCode.DONE
    retries = [event.message for event in project.events if event.type is EventType.RETRYING]
    assert [message.rpartition("; ")[2] for message in retries] == [
        "attempt 2 of 4",
        "attempt 3 of 4",
        "attempt 4 of 4",
    ]


def test_a_failure_that_does_not_pass_ends_after_four_tries(project: TestProject) -> None:
    declared = _lake(_failing("create", "Lake", "transient", 4))
    assert project.apply(declared).exit_code == ExitCode.PARTIAL
    assert project.apply(declared).exit_code == ExitCode.DONE
    assert creations(project)["Lake/main"] == 1


def test_the_provider_says_how_long_to_wait(
    project: TestProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    create, refusals = MemoryAdapter.create, [30.0, 45.0]

    def busy(self: MemoryAdapter, target: Any, key: str) -> Any:
        if refusals and target.address.kind == "Lake":
            raise TransientError("429 too many requests", retry_after=refusals.pop(0))
        return create(self, target, key)

    monkeypatch.setattr(MemoryAdapter, "create", busy)
    start = project.clock.now()
    assert project.apply(_lake({})).exit_code == ExitCode.DONE
    assert 75 <= (project.clock.now() - start).total_seconds() < 80


def test_a_refusal_is_asked_once_and_what_needs_it_waits(project: TestProject) -> None:
    declared = _lake(_failing("create", "Lake", "permanent"))
    outcome = project.apply(declared)
    assert outcome.exit_code == ExitCode.PARTIAL
    assert [str(address) for address in outcome.applied.failed] == ["Lake/main"]
    assert [str(address) for address in outcome.applied.waiting] == ["Delivery/chat"]
    assert project.record("Endpoint/chat").external_id
    assert not [event for event in project.events if event.type is EventType.RETRYING]
    conditions = {found.type: found for found in project.record("Lake/main").conditions}
    assert (conditions["Stalled"].status, conditions["Ready"].status) == (True, False)
    assert "the world refuses it" in conditions["Stalled"].message
    assert project.apply(declared).exit_code == ExitCode.DONE


@pytest.mark.parametrize("how", ["permanent", "transient", "timeoutAfter"])
def test_a_world_that_cannot_be_looked_at_is_not_an_empty_one(
    how: str, project: TestProject
) -> None:
    project.apply(_lake({}))
    blind = _lake(_failing("observe", "Lake", how, 9))
    with pytest.raises(PlanError, match="cannot observe the world"):
        project.apply(blind)
    assert len(project.writes()) == 3


def test_a_fault_in_the_code_of_an_adapter_is_raised_once_its_siblings_are_done(
    project: TestProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = MemoryAdapter.create

    def broken(self: MemoryAdapter, target: Any, key: str) -> Any:
        if target.address.kind == "Lake":
            raise ZeroDivisionError("a bug")
        return create(self, target, key)

    monkeypatch.setattr(MemoryAdapter, "create", broken)
    with pytest.raises(ZeroDivisionError):
        project.apply(_lake({}))
    assert project.record("Endpoint/chat").external_id
    monkeypatch.setattr(MemoryAdapter, "create", create)
    assert project.apply(_lake({})).exit_code == ExitCode.DONE
    assert creations(project)["Lake/main"] == 1


def test_a_job_that_somebody_removed_while_it_ran_is_tried_again(project: TestProject) -> None:
    declared = flywheel(connection={"jobSeconds": {"FineTuneJob": 600}})
    project.apply(declared, waits=False)
    project.apply(declared, waits=False)
    project.apply(declared, waits=False)
    project.world.remove(project.world.objects("FineTuneJob")[0].id)
    project.apply(declared)
    assert project.apply(declared).exit_code == ExitCode.DONE
    assert project.plan(declared).is_empty
    assert len(project.world.objects("FineTuneJob")) == 1


@pytest.mark.parametrize("mode", ["token", "name"])
@pytest.mark.parametrize("how", ["", "timeoutAfter", "timeoutBefore"])
def test_a_list_that_lags_makes_no_duplicate_no_drift_and_no_deletion(
    mode: str, how: str, project: TestProject
) -> None:
    faults: dict[str, Any] = {"listLagSeconds": 90}
    if how:
        faults["fail"] = [{"action": "create", "kind": "Lake", "how": how}]
    declared = _lake({"idempotency": mode, "faults": faults})
    assert project.apply(declared).exit_code == ExitCode.DONE
    for _ in range(4):
        plan = project.plan(declared)
        assert plan.is_empty, [(str(change.address), change.reason) for change in plan.pending]
        assert {drift.drift_class for drift in plan.drift} <= {DriftClass.SETTLING}
        assert project.apply(declared).exit_code == ExitCode.DONE
        project.clock.advance(30)
    assert set(creations(project).values()) == {1}
    assert not orphans(project)
    assert not project.plan(declared).drift


def test_once_it_should_be_seen_a_missing_object_is_gone(project: TestProject) -> None:
    declared = _lake({"faults": {"listLagSeconds": 90}})
    project.apply(declared)
    project.world.remove(project.record("Lake/main").external_id)
    assert project.plan(declared).is_empty
    project.clock.advance(90)
    change = project.plan(declared).change(Address("Lake", "main"))
    assert change is not None
    assert change.action is Action.CREATE
