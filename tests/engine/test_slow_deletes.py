"""Deletions that take their time: done when the object is gone, and not asked for twice."""

from __future__ import annotations

from typing import Any

import pytest

from loopwright.errors import ExitCode
from loopwright.providers.base import Operation, OperationStatus
from loopwright.providers.memory.adapter import MemoryAdapter
from support.projects import TestProject, resource

PROVIDER = resource("Provider", "mem", type="memory")


def chat(**spec: Any) -> Any:
    return resource("Endpoint", "chat", provider="mem", model={"base": "tiny"}, **spec)


@pytest.fixture
def slow(project: TestProject, monkeypatch: pytest.MonkeyPatch) -> TestProject:
    """A project with an endpoint, in a cloud that removes things in the background."""
    project.apply([PROVIDER, chat()])
    delete, poll = MemoryAdapter.delete, MemoryAdapter.poll

    def begun(adapter: MemoryAdapter, *given: Any) -> Operation:
        made = delete(adapter, *given)
        return made.with_status(OperationStatus.RUNNING, handle={"deleting": True}, poll_after=5.0)

    def polled(adapter: MemoryAdapter, target: Any, operation: Operation) -> Operation:
        if operation.handle.get("deleting"):
            return operation.with_status(OperationStatus.SUCCEEDED)
        return poll(adapter, target, operation)

    monkeypatch.setattr(MemoryAdapter, "delete", begun)
    monkeypatch.setattr(MemoryAdapter, "poll", polled)
    return project


def _deletes(project: TestProject) -> int:
    return sum(write.action == "delete" for write in project.world.writes)


def test_a_pruned_object_is_gone_after_one_apply(slow: TestProject) -> None:
    assert slow.apply([PROVIDER]).exit_code == ExitCode.DONE
    assert [str(address) for address in slow.records()] == ["Provider/mem"]
    assert (slow.world.objects(), _deletes(slow)) == ([], 1)
    assert slow.plan([PROVIDER]).is_empty


def test_without_waiting_it_is_found_again(slow: TestProject) -> None:
    assert slow.apply([PROVIDER], waits=False).exit_code == ExitCode.WAITING
    slow.clock.advance(10)
    slow.apply([PROVIDER], waits=False)
    assert slow.apply([PROVIDER], waits=False).exit_code == ExitCode.DONE
    assert (slow.world.objects(), _deletes(slow)) == ([], 1)


def test_a_replaced_object_is_made_again_once_the_old_one_is_gone(slow: TestProject) -> None:
    preset = [PROVIDER, chat(type="preset")]
    assert slow.apply(preset).exit_code == ExitCode.DONE
    assert [thing.spec["type"] for thing in slow.world.objects()] == ["preset"]
    assert slow.plan(preset).is_empty


def test_a_destroy_ends_with_nothing(slow: TestProject) -> None:
    assert slow.apply([PROVIDER, chat()], destroy=True).exit_code == ExitCode.DONE
    assert (slow.records(), slow.world.objects(), _deletes(slow)) == ({}, [], 1)


def test_every_revision_of_a_series_is_removed_one_after_another(slow: TestProject) -> None:
    def sampled(ratio: float) -> list[Any]:
        lake = resource("Lake", "main", provider="mem", storage="lake")
        sampling = {"ratio": ratio}
        source = {"lake": "main"}
        dataset = resource("Dataset", "d", provider="mem", source=source, sampling=sampling)
        return [PROVIDER, chat(), lake, dataset]

    for ratio in (0.1, 0.2, 0.3):
        slow.apply(sampled(ratio))
    assert len(slow.world.objects("Dataset")) == 3
    assert slow.apply(sampled(0.3), destroy=True, delete_data=True).exit_code == ExitCode.DONE
    assert (slow.records(), slow.world.objects()) == ({}, [])
