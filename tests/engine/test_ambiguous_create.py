"""A create that took effect and whose answer was lost: found again, or a person is asked."""

from __future__ import annotations

from typing import Any

import pytest

from loopwright.engine.adopting import Adopting
from loopwright.errors import ExitCode
from loopwright.resources.address import Address
from support.projects import TestProject, resource

LAKE = Address("Lake", "main")


def resources(mode: str, how: str) -> list[Any]:
    fail = {"action": "create", "kind": "Lake", "how": how, "times": 1}
    connection = {"idempotency": mode, "faults": {"fail": [fail]}}
    return [
        resource("Provider", "mem", type="memory", connection=connection),
        resource("Lake", "main", provider="mem", storage="lake"),
    ]


@pytest.mark.parametrize("mode", ["token", "name"])
@pytest.mark.parametrize("how", ["timeoutAfter", "timeoutBefore"])
def test_with_a_token_or_a_name_it_is_made_once(mode: str, how: str, project: TestProject) -> None:
    outcome = project.apply(resources(mode, how))
    assert outcome.exit_code == ExitCode.DONE
    assert len(project.world.objects("Lake")) == 1
    assert project.plan(resources(mode, how)).is_empty


def test_with_neither_a_person_is_shown_both_ways_out(project: TestProject) -> None:
    declared = resources("none", "timeoutAfter")
    outcome = project.apply(declared)
    assert outcome.exit_code == ExitCode.DECISION
    told = outcome.applied.decisions[LAKE]
    assert "loopwright adopt Lake/main --id ID" in told
    assert "loopwright adopt Lake/main --absent" in told
    assert project.apply(declared).exit_code == ExitCode.DECISION
    assert len(project.world.objects("Lake")) == 1


def _adopting(project: TestProject, declared: list[Any], word: str) -> None:
    reconciler = project.reconciler(declared)
    with project.workspace.state().session(holder="li", command="adopt") as session:
        adopting = Adopting(project.workspace, reconciler.declared, session, by="li")
        if word == "absent":
            adopting.absent(LAKE)
        else:
            adopting.one(LAKE, project.world.objects("Lake")[0].id)


def test_the_way_out_when_it_exists_is_to_adopt_it(project: TestProject) -> None:
    declared = resources("none", "timeoutAfter")
    project.apply(declared)
    _adopting(project, declared, "id")
    assert project.apply(declared).exit_code == ExitCode.DONE
    assert len(project.world.objects("Lake")) == 1
    assert project.plan(declared).is_empty


def test_the_way_out_when_it_does_not_exist_is_to_say_so(project: TestProject) -> None:
    declared = resources("none", "timeoutBefore")
    project.apply(declared)
    _adopting(project, declared, "absent")
    assert project.apply(declared).exit_code == ExitCode.DONE
    assert len(project.world.objects("Lake")) == 1
