"""Names that people give to model versions: found at the next look, followed by what uses them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from loopwright.planning.change import Action, Obstacle
from loopwright.planning.outlook import means_itself
from loopwright.providers.memory.world import Write
from loopwright.resources.address import Address
from loopwright.state.records import Record
from support.projects import TestProject, resource

JOB, CHAT = Address("FineTuneJob", "router"), Address("Endpoint", "chat")


def loop(seed: int, served: str = "Model/router@champion") -> list[Any]:
    return [
        resource("Provider", "mem", type="memory"),
        resource("Lake", "main", provider="mem", storage="lake"),
        resource(
            "Dataset", "sft", provider="mem", source={"lake": "main"}, sampling={"ratio": 0.2}
        ),
        resource(
            "FineTuneJob", "router", provider="mem", base="tiny", dataset="Dataset/sft", seed=seed
        ),
        resource("Endpoint", "chat", provider="mem", model={"model": served}),
    ]


def name(project: TestProject, external_id: str, **names: int) -> None:
    """Somebody names versions of a series where it is kept."""
    with project.world.changing() as contents:
        old = contents.objects[external_id]
        write = Write("name", f"{old.kind}/{old.name}", "", old.id)
        project.world.put(replace(old, outputs={**old.outputs, "aliased": names}), write)


def _served(project: TestProject) -> str:
    return project.record(str(CHAT)).inputs["model.model"]


def _digest(project: TestProject, number: int) -> str:
    revision = project.record(str(JOB)).revision(number)
    assert revision
    return str(revision.outputs["digest"])


def test_an_endpoint_follows_a_name_that_people_move(project: TestProject) -> None:
    project.apply(loop(1))
    waiting = project.plan(loop(1)).change(CHAT)
    assert waiting is not None
    assert (waiting.action, waiting.obstacle) == (Action.WAIT, Obstacle.UPSTREAM)

    first = project.record(str(JOB)).external_id
    name(project, first, champion=1)
    project.apply(loop(1))
    assert _served(project) == _digest(project, 1)
    assert project.plan(loop(1)).is_empty

    project.apply(loop(2))
    second = project.record(str(JOB)).external_id
    name(project, second, champion=1)
    project.apply(loop(2))
    assert (second != first, _served(project)) == (True, _digest(project, 1))

    name(project, second, champion=2)
    change = project.plan(loop(2)).change(CHAT)
    assert change is not None
    assert change.action is Action.UPDATE
    project.apply(loop(2))
    assert _served(project) == _digest(project, 2)
    assert project.plan(loop(2)).is_empty
    assert project.writes_to(str(JOB), "create") == 2


def test_a_name_that_was_taken_away_means_nothing_any_more(project: TestProject) -> None:
    project.apply(loop(1, "Model/router@1"))
    external_id = project.record(str(JOB)).external_id
    name(project, external_id, champion=1)
    project.apply(loop(1))
    name(project, external_id)
    change = project.plan(loop(1)).change(CHAT)
    assert change is not None
    assert change.reason == "FineTuneJob/router has no version champion"


def test_an_imported_model_is_meant_by_its_version_and_name() -> None:
    record = Record(
        Address("Model", "theirs"), outputs={"version": 3, "aliased": {"champion": 3, "old": 1}}
    )
    meant = {label: means_itself(record, label) for label in ("3", "v3", "champion", "old", "4")}
    assert meant == {"3": True, "v3": True, "champion": True, "old": False, "4": False}
    assert not means_itself(None, "3")
