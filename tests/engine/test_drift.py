"""What others do to an object is seen and mended, unless somebody said to leave it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from loopwright.engine.mending import accept_drift
from loopwright.errors import LoopwrightError
from loopwright.planning.change import Action, DriftClass
from loopwright.providers.base import Observed, Target
from loopwright.providers.memory.adapter import MemoryAdapter
from loopwright.resources.address import Address
from loopwright.state.records import Suspension
from loopwright.state.store import Entry
from support.projects import TestProject, declared, flywheel, resource

CHAT = Address("Endpoint", "chat")
_LIMIT = {"rpm": 60, "tpm": 6000}


def chat(connection: dict[str, Any] | None = None, **spec: Any) -> list[Any]:
    return [
        resource("Provider", "mem", type="memory", connection=connection or {}),
        resource("Endpoint", "chat", provider="mem", model={"base": "tiny"}, **spec),
    ]


@pytest.fixture
def applied(project: TestProject) -> TestProject:
    project.apply(chat(rateLimit=_LIMIT))
    return project


def _edit(project: TestProject, **spec: Any) -> None:
    project.world.edit(project.record(str(CHAT)).external_id, **spec)


def _spec(project: TestProject) -> Any:
    return project.world.objects("Endpoint")[0].spec


def test_a_field_changed_by_hand_is_set_back_and_no_other_touched(applied: TestProject) -> None:
    _edit(applied, rateLimit={"rpm": 1, "tpm": 6000}, description="theirs", note="by hand")
    plan = applied.plan(chat(rateLimit=_LIMIT))
    change = plan.change(CHAT)
    assert change is not None
    assert change.action is Action.UPDATE
    assert [field.path for field in change.fields] == ["description", "rateLimit.rpm"]
    assert change.reason == "changed outside; set back"
    applied.apply(chat(rateLimit=_LIMIT))
    assert (_spec(applied)["rateLimit"], _spec(applied)["note"]) == (_LIMIT, "by hand")
    assert applied.plan(chat(rateLimit=_LIMIT)).is_empty


def test_an_object_removed_by_hand_is_made_again(applied: TestProject) -> None:
    applied.world.remove(applied.record(str(CHAT)).external_id)
    plan = applied.plan(chat(rateLimit=_LIMIT))
    assert [drift.drift_class for drift in plan.drift] == [DriftClass.GONE]
    assert [change.action for change in plan.pending] == [Action.CREATE]
    applied.apply(chat(rateLimit=_LIMIT))
    assert len(applied.world.objects("Endpoint")) == 1
    assert applied.plan(chat(rateLimit=_LIMIT)).is_empty


def test_what_the_provider_adds_by_itself_is_no_drift(project: TestProject) -> None:
    added = {"serverDefaults": {"Endpoint": {"rateLimit": _LIMIT, "region": "north"}}}
    project.apply(chat(added))
    plan = project.plan(chat(added))
    assert plan.is_empty
    assert {drift.drift_class for drift in plan.drift} == {DriftClass.DEFAULT}


def test_a_write_only_field_is_never_taken_for_changed(project: TestProject) -> None:
    lake = resource(
        "Lake", "main", provider="mem", storage="lake", masterKey={"env": "LAKE_MASTER_KEY"}
    )
    project.apply([*chat(), lake])
    assert project.plan([*chat(), lake]).is_empty


def test_ignored_fields_are_left_alone_until_the_manifest_changes(project: TestProject) -> None:
    ignoring = {"lifecycle": {"ignoreChanges": ["rateLimit"]}}
    project.apply(chat(rateLimit=_LIMIT, **ignoring))
    _edit(project, rateLimit={"rpm": 1, "tpm": 1})
    plan = project.plan(chat(rateLimit=_LIMIT, **ignoring))
    assert plan.is_empty
    assert {drift.drift_class for drift in plan.drift} == {DriftClass.IGNORED}
    assert not project.plan(chat(rateLimit=_LIMIT)).is_empty


def test_accepted_drift_is_silent_until_it_expires_or_drifts_further(applied: TestProject) -> None:
    manifests = chat(rateLimit=_LIMIT)
    _edit(applied, running=False)
    until = datetime(2026, 1, 8, tzinfo=UTC)
    with applied.session() as session:
        accept_drift(
            applied.workspace, declared(manifests), session, CHAT, "running", until=until, by="li"
        )
    plan = applied.plan(manifests)
    assert plan.is_empty
    assert [drift.drift_class for drift in plan.drift] == [DriftClass.ACCEPTED]
    _edit(applied, running=True)
    assert applied.plan(manifests).is_empty
    _edit(applied, running=False)
    applied.clock.advance(7 * 86_400)
    assert [change.action for change in applied.plan(manifests).pending] == [Action.UPDATE]


def test_only_drift_that_is_there_can_be_accepted(applied: TestProject) -> None:
    manifests = chat(rateLimit=_LIMIT)
    until = datetime(2026, 1, 8, tzinfo=UTC)
    with applied.session() as session, pytest.raises(LoopwrightError, match="no drift at running"):
        accept_drift(
            applied.workspace, declared(manifests), session, CHAT, "running", until=until, by="li"
        )


def test_nothing_is_done_to_what_is_suspended_until_that_expires(applied: TestProject) -> None:
    manifests = chat(rateLimit={"rpm": 2, "tpm": 2})
    held = Suspension("li", "load test", until="2026-01-01T01:00:00Z")
    with applied.session() as session:
        record = replace(applied.record(str(CHAT)), suspension=held)
        session.commit([Entry("suspended", str(CHAT))], {CHAT: record})
    applied.apply(manifests)
    applied.apply(chat(rateLimit=_LIMIT)[:1])
    assert _spec(applied)["rateLimit"] == _LIMIT
    plan = applied.plan(manifests)
    assert [quiet.reason for quiet in plan.quiet] == [
        "suspended by li until 2026-01-01T01:00:00Z: load test"
    ]
    applied.clock.advance(3600)
    applied.apply(manifests)
    assert _spec(applied)["rateLimit"] == {"rpm": 2, "tpm": 2}


def test_without_refresh_the_world_is_taken_to_be_as_last_applied(applied: TestProject) -> None:
    _edit(applied, running=False)
    assert applied.plan(chat(rateLimit=_LIMIT), refresh=False).is_empty
    assert not applied.plan(chat(rateLimit=_LIMIT)).is_empty


_UPSTREAM = {"upstream": {"url": "https://models.test/v1", "model": "big"}}


@pytest.mark.parametrize("mine", [{"base": "tiny"}, _UPSTREAM], ids=["base", "upstream"])
@pytest.mark.parametrize("theirs", [{"base": "other"}, _UPSTREAM, {"model": "Model/x@1"}])
def test_another_kind_of_model_put_in_by_hand_is_taken_out_again(
    mine: dict[str, Any], theirs: dict[str, Any], project: TestProject
) -> None:
    declared = [
        resource("Provider", "mem", type="memory"),
        resource("Endpoint", "chat", provider="mem", model=mine),
    ]
    project.apply(declared)
    _edit(project, model=theirs)
    assert project.plan(declared).is_empty == (mine == theirs)
    project.apply(declared)
    assert {name: said for name, said in _spec(project)["model"].items() if said} == mine
    assert project.plan(declared).is_empty


def test_a_result_that_cannot_be_used_is_told_and_made_by_no_paid_run(
    project: TestProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifests = flywheel()
    project.apply(manifests)
    observe = MemoryAdapter.observe

    def damaged(adapter: MemoryAdapter, target: Target, external_id: str | None) -> Observed | None:
        found = observe(adapter, target, external_id)
        if found is None or target.address.kind != "FineTuneJob":
            return found
        return replace(found, ready=False, status="its weights are not what was registered")

    def damaged_all(adapter: MemoryAdapter, asked: Any) -> Any:
        return {target.address: damaged(adapter, target, known) for target, known in asked}

    monkeypatch.setattr(MemoryAdapter, "observe", damaged)
    monkeypatch.setattr(MemoryAdapter, "observe_all", damaged_all)
    plan = project.plan(manifests)
    assert [(one.drift_class, one.note) for one in plan.drift] == [
        (DriftClass.STATUS, "its weights are not what was registered")
    ]
    assert not [change for change in plan.changes if change.action is Action.RUN]
