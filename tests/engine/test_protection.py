"""What must not be deleted is not, and what leaves the manifests leaves as was said."""

from __future__ import annotations

from typing import Any

import pytest

from loopwright.errors import ExitCode, RefusedError
from loopwright.manifests.project import Project
from loopwright.planning.change import Action, Obstacle
from loopwright.resources.address import Address
from support.projects import TestProject, resource

CHAT = Address("Endpoint", "chat")
PROVIDER = resource("Provider", "mem", type="memory")


def endpoint(name: str = "chat", **spec: Any) -> Any:
    return resource("Endpoint", name, provider="mem", **{"model": {"base": "tiny"}, **spec})


def _protected(**spec: Any) -> list[Any]:
    return [PROVIDER, endpoint(lifecycle={"preventDestroy": True}, **spec)]


def _ids(project: TestProject) -> list[str]:
    return [thing.id for thing in project.world.objects()]


def test_the_protection_outlives_its_manifest(project: TestProject) -> None:
    project.apply(_protected())
    plan = project.plan([PROVIDER])
    change = plan.change(CHAT)
    assert change is not None
    assert change.obstacle is Obstacle.PROTECTED
    assert change.reason.startswith("preventDestroy is set; absent from the manifests")
    assert plan.exit_code() == ExitCode.REFUSED
    outcome = project.apply([PROVIDER])
    assert outcome.exit_code == ExitCode.REFUSED
    assert CHAT in outcome.applied.refused
    assert len(_ids(project)) == 1


def test_what_is_protected_is_not_replaced_and_not_destroyed(project: TestProject) -> None:
    project.apply(_protected())
    before = _ids(project)
    assert project.apply(_protected(type="preset")).exit_code == ExitCode.REFUSED
    assert project.apply(_protected(), destroy=True).exit_code == ExitCode.REFUSED
    assert _ids(project) == before


def test_lifting_the_protection_first_lets_it_go(project: TestProject) -> None:
    project.apply(_protected())
    project.apply([PROVIDER, endpoint()])
    assert project.apply([PROVIDER]).exit_code == ExitCode.DONE
    assert not _ids(project)


def test_what_is_retained_stays_and_comes_back_without_a_call(project: TestProject) -> None:
    kept = endpoint(lifecycle={"deletionPolicy": "retain"})
    project.apply([PROVIDER, kept])
    before, writes = _ids(project), len(project.writes())
    project.apply([PROVIDER])
    assert project.plan([PROVIDER]).is_empty
    assert project.record(str(CHAT)).retained
    project.apply([PROVIDER, kept])
    assert not project.record(str(CHAT)).retained
    assert project.plan([PROVIDER, kept]).is_empty
    assert (_ids(project), len(project.writes())) == (before, writes)


def test_a_rename_moves_the_record_and_the_owner_tag(project: TestProject) -> None:
    project.apply([PROVIDER, endpoint()])
    before = _ids(project)
    moves = Project.model_validate({"moved": [{"from": "Endpoint/chat", "to": "Endpoint/talk"}]})
    renamed = [PROVIDER, endpoint("talk")]
    plan = project.plan(renamed, project=moves)
    assert [(change.action, change.moved_from) for change in plan.pending] == [(Action.MOVE, CHAT)]
    project.apply(renamed, project=moves)
    assert _ids(project) == before
    assert project.world.objects()[0].owner.endswith("/Endpoint/talk")
    assert project.plan(renamed, project=moves).is_empty
    assert project.plan(renamed).is_empty


def test_what_is_forgotten_stays_in_the_world(project: TestProject) -> None:
    project.apply(_protected())
    forgets = Project.model_validate({"forget": ["Endpoint/chat"]})
    plan = project.plan([PROVIDER], project=forgets)
    assert [change.action for change in plan.pending] == [Action.FORGET]
    assert project.apply([PROVIDER], project=forgets).exit_code == ExitCode.DONE
    assert CHAT not in project.records()
    assert len(_ids(project)) == 1
    assert project.plan([PROVIDER], project=forgets).is_empty


def _five() -> list[Any]:
    return [PROVIDER, *(endpoint(f"e{n}") for n in range(5))]


def test_an_empty_set_of_manifests_deletes_nothing(project: TestProject) -> None:
    project.apply([PROVIDER, endpoint()])
    with pytest.raises(RefusedError, match="the manifests are empty") as caught:
        project.apply([])
    assert caught.value.exit_code == ExitCode.REFUSED
    assert len(_ids(project)) == 1


def test_deleting_more_than_the_stated_share_is_refused(project: TestProject) -> None:
    project.apply(_five())
    with pytest.raises(RefusedError, match="5 of 6 resources would be deleted"):
        project.apply([PROVIDER])
    assert len(_ids(project)) == 5
    more = Project.model_validate({"prune": {"maxShare": 0.9}})
    assert project.apply([PROVIDER], project=more).exit_code == ExitCode.DONE
    assert not _ids(project)


def test_a_few_deletions_and_a_destroy_are_a_persons_edit(project: TestProject) -> None:
    project.apply(_five())
    assert project.apply(_five()[:-2]).exit_code == ExitCode.DONE
    assert len(_ids(project)) == 3
    assert project.apply(_five(), destroy=True).exit_code == ExitCode.DONE
    assert not _ids(project)


def test_without_pruning_what_left_the_manifests_stays(project: TestProject) -> None:
    project.apply(_five())
    plan = project.plan(_five()[:3], prune=False)
    assert plan.is_empty
    assert len(plan.quiet) == 3
    assert len(project.plan(_five()[:3]).pending) == 3
