"""Going back: a pointer for runs, the earlier spec for what stands; held until somebody edits."""

from __future__ import annotations

from typing import Any

import pytest

from loopwright.engine.mending import roll_back
from loopwright.errors import DecisionNeededError, ExitCode, LoopwrightError
from loopwright.planning.change import Action
from loopwright.resources.address import Address
from support.projects import TestProject, flywheel, resource

DATA, CHAT = Address("Dataset", "router"), Address("Endpoint", "chat")


def _roll_back(project: TestProject, address: Address, to: int | None = None) -> str:
    with project.session() as session:
        return roll_back(session, address, to, by="li", reason="worse", clock=project.clock)


def chat(rpm: int) -> list[Any]:
    limit = {"rpm": rpm, "tpm": 1000}
    return [
        resource("Provider", "mem", type="memory"),
        resource("Endpoint", "chat", provider="mem", model={"base": "tiny"}, rateLimit=limit),
    ]


def _rpm(project: TestProject) -> int:
    return int(project.world.objects("Endpoint")[0].spec["rateLimit"]["rpm"])


@pytest.fixture
def sampled(project: TestProject) -> TestProject:
    """Two versions of the dataset, and of all that builds on it."""
    for ratio in (0.2, 0.3):
        assert project.apply(flywheel(ratio=ratio)).exit_code == ExitCode.DONE
    return project


def test_of_a_run_only_the_pointer_moves(sampled: TestProject) -> None:
    writes = len(sampled.world.writes)
    assert _roll_back(sampled, DATA) == "Dataset/router is at v1 again. Nothing was run."
    assert len(sampled.world.writes) == writes
    record = sampled.record(str(DATA))
    assert record.current_revision
    assert record.current == 1
    assert record.digest == record.current_revision.outputs["digest"]


def test_what_builds_on_the_run_follows_by_reuse_and_the_refused_one_stays_out(
    sampled: TestProject,
) -> None:
    made = sampled.writes_to("FineTuneJob/router", "create")
    _roll_back(sampled, DATA)
    plan = sampled.plan(flywheel(ratio=0.3))
    dataset, job = plan.change(DATA), plan.change(Address("FineTuneJob", "router"))
    assert dataset is not None
    assert job is not None
    assert (dataset.action, dataset.reason) == (Action.NOOP, "held at v1 by li: worse")
    assert (job.action, job.revision) == (Action.REUSE, "v1")
    assert sampled.apply(flywheel(ratio=0.3)).exit_code == ExitCode.DONE
    assert sampled.plan(flywheel(ratio=0.3)).is_empty
    assert sampled.record(str(DATA)).current == 1
    assert sampled.writes_to("FineTuneJob/router", "create") == made


def test_an_edit_ends_the_hold_of_a_run(sampled: TestProject) -> None:
    _roll_back(sampled, DATA)
    sampled.apply(flywheel(ratio=0.4))
    record = sampled.record(str(DATA))
    assert (record.current, record.hold) == (3, None)
    assert sampled.plan(flywheel(ratio=0.4)).is_empty


def test_a_standing_object_gets_its_earlier_spec_and_keeps_it(project: TestProject) -> None:
    project.apply(chat(10))
    project.apply(chat(20))
    assert "generation 1 again" in _roll_back(project, CHAT)
    project.apply(chat(20))
    assert _rpm(project) == 10
    assert project.plan(chat(20)).is_empty
    project.world.edit(project.record(str(CHAT)).external_id, running=False)
    project.apply(chat(20))
    assert (_rpm(project), project.world.objects("Endpoint")[0].spec["running"]) == (10, True)


def test_an_edit_ends_the_hold_of_a_standing_object(project: TestProject) -> None:
    for rpm in (10, 20):
        project.apply(chat(rpm))
    _roll_back(project, CHAT)
    project.apply(chat(20))
    project.apply(chat(30))
    assert _rpm(project) == 30
    assert project.record(str(CHAT)).hold is None
    assert project.plan(chat(30)).is_empty
    project.apply(chat(20))
    assert _rpm(project) == 20


def test_any_earlier_generation_can_be_named(project: TestProject) -> None:
    for rpm in (10, 20, 30):
        project.apply(chat(rpm))
    _roll_back(project, CHAT, 1)
    project.apply(chat(30))
    assert _rpm(project) == 10


def test_a_spec_whose_verdict_was_lost_can_be_gone_back_to(project: TestProject) -> None:
    """The update took effect and nobody heard: the next apply only writes it down."""
    project.apply(chat(10))
    project.world.edit(project.record(str(CHAT)).external_id, rateLimit={"rpm": 20, "tpm": 1000})
    writes = len(project.world.writes)
    project.apply(chat(20))
    assert len(project.world.writes) == writes
    project.apply(chat(30))
    _roll_back(project, CHAT)
    project.apply(chat(30))
    assert _rpm(project) == 20


@pytest.mark.parametrize("to", [None, 7])
def test_without_something_earlier_there_is_no_way_back(
    to: int | None, project: TestProject
) -> None:
    project.apply(chat(10))
    with pytest.raises(LoopwrightError, match="to go back to") as caught:
        _roll_back(project, CHAT, to)
    assert caught.value.hint == "earlier generations: none"


def test_what_is_in_the_middle_of_something_is_left_to_finish(project: TestProject) -> None:
    slow = {"jobSeconds": {"Dataset": 60}}
    project.apply(flywheel(connection=slow))
    project.apply(flywheel(ratio=0.3, connection=slow), waits=False)
    with pytest.raises(DecisionNeededError, match="in the middle of run"):
        _roll_back(project, DATA)
