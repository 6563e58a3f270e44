"""Versions: new ones of a name that exists, pinned ones, and ones that are missing."""

from __future__ import annotations

from typing import Any

import pytest

from loopwright.errors import ExitCode
from loopwright.planning.change import Action, Obstacle
from loopwright.resources.address import Address
from support.projects import TestProject, resource

JOB = Address("FineTuneJob", "router")


def datasets(ratio: float = 0.2, *others: Any) -> list[Any]:
    return [
        resource("Provider", "mem", type="memory"),
        resource("Lake", "main", provider="mem", storage="lake"),
        dataset("sft", ratio=ratio),
        *others,
    ]


def dataset(name: str, *, ratio: float = 0.2, **spec: Any) -> Any:
    source, sampling = {"lake": "main"}, {"ratio": ratio}
    return resource("Dataset", name, provider="mem", source=source, sampling=sampling, **spec)


def job(pinned: str = "Dataset/sft") -> Any:
    return resource("FineTuneJob", "router", provider="mem", base="tiny", dataset=pinned)


def _trained_on(project: TestProject) -> str:
    record = project.record(str(JOB))
    assert record.current_revision
    return record.current_revision.inputs["dataset"]


def _version(project: TestProject, name: str, number: int) -> str:
    revision = project.record(f"Dataset/{name}").revision(number)
    assert revision
    return str(revision.outputs["digest"])


def test_latest_follows_and_a_pinned_version_does_not(project: TestProject) -> None:
    project.apply(datasets(0.2, job("Dataset/sft@1")))
    project.apply(datasets(0.3, job("Dataset/sft@1")))
    assert project.record("Dataset/sft").current == 2
    assert _trained_on(project) == _version(project, "sft", 1)
    assert project.writes_to(str(JOB), "create") == 1
    project.apply(datasets(0.3, job()))
    assert _trained_on(project) == _version(project, "sft", 2)
    assert project.plan(datasets(0.3, job())).is_empty


def test_pinning_what_latest_means_runs_nothing(project: TestProject) -> None:
    project.apply(datasets(0.2, job()))
    project.apply(datasets(0.2, job("Dataset/sft@1")))
    assert project.writes_to(str(JOB), "create") <= 2
    assert _trained_on(project) == _version(project, "sft", 1)


def test_a_version_that_is_not_there_is_named(project: TestProject) -> None:
    declared = datasets(0.2, job("Dataset/sft@7"))
    project.apply(datasets())
    change = project.plan(declared).change(JOB)
    assert change is not None
    assert (change.action, change.obstacle) == (Action.WAIT, Obstacle.UPSTREAM)
    assert change.reason == "Dataset/sft has no version 7"
    assert project.apply(declared).exit_code == ExitCode.WAITING
    assert not project.world.objects("FineTuneJob")


def test_version_of_adds_to_the_same_name_and_latest_means_the_newest_of_both(
    project: TestProject,
) -> None:
    more = dataset("more", ratio=0.4, target={"versionOf": "Dataset/sft"})
    plan = project.plan(datasets(0.2, more, job()))
    labels = {str(one.address): one.revision for one in plan.changes if "Dataset" in str(one)}
    assert (labels["Dataset/sft"], labels["Dataset/more"]) == ("v1", "v2")
    assert project.apply(datasets(0.2, more, job())).exit_code == ExitCode.DONE
    numbers = [(thing.name, thing.outputs["version"]) for thing in project.world.objects("Dataset")]
    assert numbers == [("sft", 1), ("sft", 2)]
    newest = project.record("Dataset/more").current_revision
    assert newest
    assert newest.outputs["version"] == 2
    assert _trained_on(project) == newest.outputs["digest"]
    assert project.plan(datasets(0.2, more, job())).is_empty
    both_edited = project.plan(
        datasets(0.3, dataset("more", ratio=0.5, target={"versionOf": "Dataset/sft"}))
    )
    labels = {str(one.address): one.revision for one in both_edited.pending}
    assert (labels["Dataset/sft"], labels["Dataset/more"]) == ("v3", "v4")


def test_a_version_that_another_maker_gave_can_be_pinned(project: TestProject) -> None:
    more = dataset("more", ratio=0.4, target={"versionOf": "Dataset/sft"})
    project.apply(datasets(0.2, more))
    project.apply(datasets(0.2, more, job("Dataset/sft@2")))
    made = project.record("Dataset/more").current_revision
    assert made
    assert _trained_on(project) == made.outputs["digest"]


def _triggered(**trigger: Any) -> list[Any]:
    return [*datasets()[:2], dataset("sft", trigger=trigger)]


def test_calls_that_arrive_trigger_nothing_unless_asked_to(project: TestProject) -> None:
    project.apply(_triggered())
    project.world.calls("main", 90_000)
    assert project.plan(_triggered()).is_empty


def test_enough_new_calls_make_a_new_version_once(project: TestProject) -> None:
    declared = _triggered(minNewCalls=1000)
    project.apply(declared)
    project.world.calls("main", 10_999)
    assert project.plan(declared).is_empty
    project.world.calls("main", 11_000)
    change = project.plan(declared).change(Address("Dataset", "sft"))
    assert change is not None
    assert change.reason == "+1,000 calls since v1"
    project.apply(declared)
    assert project.record("Dataset/sft").current == 2
    assert project.plan(declared).is_empty


def test_age_makes_a_new_version(project: TestProject) -> None:
    declared = _triggered(every="7d")
    project.apply(declared)
    project.clock.advance(7 * 86_400 - 1)
    assert project.plan(declared).is_empty
    project.clock.advance(1)
    assert [change.reason for change in project.plan(declared).pending] == ["v1 is older than 7d"]


@pytest.mark.parametrize("ratio", [0.3, 1.0])
def test_without_on_change_an_edit_waits_for_the_next_cause(
    ratio: float, project: TestProject
) -> None:
    project.apply(datasets())
    edited = [*datasets()[:2], dataset("sft", ratio=ratio, trigger={"onChange": False})]
    project.apply(edited)
    assert project.record("Dataset/sft").current == 1
