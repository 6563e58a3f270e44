"""A saved plan is an approval: done as it was shown, or refused before the first write."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from loopwright.engine.events import Event, EventType
from loopwright.engine.saved import SavedPlan, read_saved, write_saved
from loopwright.errors import ExitCode, PlanError, StalePlanError
from loopwright.planning.change import Action
from loopwright.planning.plan import Selection
from loopwright.resources.address import Address
from support.projects import TestProject, flywheel, resource

_SLOW = {"jobSeconds": {"Dataset": 60, "FineTuneJob": 600}}


def chat(**spec: Any) -> list[Any]:
    return [
        resource("Provider", "mem", type="memory"),
        resource("Lake", "main", provider="mem", storage="lake"),
        resource("Endpoint", "chat", provider="mem", model={"base": "tiny"}, **spec),
    ]


def test_all_stages_run_under_the_approval(project: TestProject) -> None:
    saved = project.save(flywheel(connection=_SLOW))
    outcome = project.apply_saved(flywheel(connection=_SLOW), saved)
    assert outcome.exit_code == ExitCode.DONE
    assert project.plan(flywheel(connection=_SLOW)).is_empty
    assert {entry.run for entry in project.journal("intent", "verdict", "record")} == {saved.id}


def _state_moved(project: TestProject) -> None:
    project.apply([*chat(), resource("Lake", "other", provider="mem", storage="other")])


def _object_touched(project: TestProject) -> None:
    project.world.edit(project.record("Endpoint/chat").external_id, running=False)


def _object_removed(project: TestProject) -> None:
    project.world.remove(project.record("Endpoint/chat").external_id)


@pytest.mark.parametrize(
    ("meddle", "why"),
    [
        (_state_moved, "the state moved on"),
        (_object_touched, "Endpoint/chat changed outside since"),
        (_object_removed, "Endpoint/chat changed outside since"),
    ],
)
def test_it_is_refused_before_the_first_write_when_something_moved_on(
    meddle: Callable[[TestProject], None], why: str, project: TestProject
) -> None:
    project.apply(chat())
    edited = chat(rateLimit={"rpm": 1, "tpm": 1})
    saved = project.save(edited)
    meddle(project)
    serial, writes = project.workspace.state().serial, list(project.world.writes)
    with pytest.raises(StalePlanError, match=why) as caught:
        project.apply_saved(edited, saved)
    assert caught.value.exit_code == ExitCode.DECISION
    assert (project.workspace.state().serial, project.world.writes) == (serial, writes)


def test_it_is_refused_when_the_manifests_changed(project: TestProject) -> None:
    saved = project.save(chat())
    with pytest.raises(StalePlanError, match="the manifests changed since"):
        project.apply_saved(chat(running=False), saved)
    assert not project.world.writes


def test_it_is_refused_for_the_state_of_another_project(
    project: TestProject, tmp_path: Path
) -> None:
    project.apply(chat()[:1])
    saved = project.save(chat())
    (tmp_path / "other").mkdir()
    other = TestProject(tmp_path / "other")
    other.apply(chat()[:1])
    with pytest.raises(StalePlanError, match="the state is another one"):
        other.apply_saved(chat(), saved)


def test_a_touched_object_that_the_plan_leaves_alone_does_not_matter(project: TestProject) -> None:
    project.apply(chat())
    edited = chat(running=False)
    saved = project.save(edited)
    project.world.make("Endpoint", "theirs")
    assert project.apply_saved(edited, saved).exit_code == ExitCode.DONE


def test_it_is_done_once(project: TestProject) -> None:
    saved = project.save(chat())
    project.apply_saved(chat(), saved)
    with pytest.raises(StalePlanError, match="it was applied already"):
        project.apply_saved(chat(), saved)


def _interrupted(project: TestProject, resources: list[Any], saved: SavedPlan) -> None:
    """Ctrl-C as soon as the dataset has started."""
    stop = threading.Event()
    reconciler = project.reconciler(resources, stop=stop)

    def listen(event: Event) -> None:
        if event.type is EventType.RUNNING and event.address == "Dataset/router":
            stop.set()

    reconciler.listener = listen
    with project.session() as session:
        outcome = reconciler.apply(
            session, Selection(), approve=lambda plan: True, waits=True, saved=saved
        )
    assert outcome.exit_code == ExitCode.ERROR


def test_resume_goes_on_with_an_interrupted_plan_and_a_plain_apply_does_not(
    project: TestProject,
) -> None:
    declared = flywheel(connection=_SLOW)
    saved = project.save(declared)
    _interrupted(project, declared, saved)
    with pytest.raises(StalePlanError) as caught:
        project.apply_saved(declared, saved)
    assert caught.value.hint == "go on with --resume"
    outcome = project.apply_saved(declared, saved, resumes=True)
    assert outcome.exit_code == ExitCode.DONE
    assert project.plan(declared).is_empty
    assert project.writes_to("Dataset/router", "create") == 1


def test_resume_is_refused_when_somebody_else_wrote_in_between(project: TestProject) -> None:
    declared = flywheel(connection=_SLOW)
    saved = project.save(declared)
    _interrupted(project, declared, saved)
    project.apply([*declared, resource("Lake", "other", provider="mem", storage="other")])
    with pytest.raises(StalePlanError, match="the state moved on"):
        project.apply_saved(declared, saved, resumes=True)


def test_what_later_passes_find_besides_is_left_for_the_next_plan(project: TestProject) -> None:
    project.apply(chat())
    declared = [*chat(), *(found for found in flywheel() if found.kind == "Dataset")]
    saved = project.save(declared)

    def listen(event: Event) -> None:
        if event.type is EventType.SUCCEEDED:
            project.world.edit(project.record("Endpoint/chat").external_id, running=False)

    reconciler = project.reconciler(declared, listener=listen)
    with project.session() as session:
        reconciler.apply(session, Selection(), approve=lambda plan: True, waits=True, saved=saved)
    assert project.writes_to("Endpoint/chat", "update") == 0
    change = project.plan(declared).change(Address("Endpoint", "chat"))
    assert change is not None
    assert change.action is Action.UPDATE


def test_a_file_that_was_changed_after_it_was_saved_is_refused(project: TestProject) -> None:
    path = project.folder / "plan.json"
    write_saved(project.save(chat()), path)
    assert read_saved(path).id == project.save(chat()).id
    path.write_text(path.read_text().replace('"create"', '"update"'))
    with pytest.raises(PlanError, match="was changed after it was saved"):
        read_saved(path)


@pytest.mark.parametrize("text", ["", "{}", '{"format": "loopwright.saved-plan"}', "nonsense"])
def test_anything_else_is_no_saved_plan(text: str, project: TestProject) -> None:
    path = project.folder / "plan.json"
    path.write_text(text)
    with pytest.raises(PlanError, match="is not a saved plan"):
        read_saved(path)
