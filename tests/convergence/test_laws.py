"""Laws that hold for any manifests and any world: an apply converges, a plan only looks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright.engine.saved import SavedPlan, read_saved, write_saved
from loopwright.planning.render.json import to_document
from loopwright.resources.base import Resource
from support.laws import ANY_PRUNE, NO_SHRINK, apply, converge, pairs
from support.manifest_sets import Meddling, manifest_sets, meddlings
from support.projects import TestProject

NewProject = Callable[[], TestProject]


@given(pairs(), meddlings())
@settings(max_examples=15, phases=NO_SHRINK)
def test_after_an_apply_there_is_nothing_to_plan(
    new_project: NewProject, sets: tuple[list[Resource], list[Resource]], meddling: list[Meddling]
) -> None:
    converge(new_project(), *sets, meddling)


@given(manifest_sets(), manifest_sets(), meddlings())
@settings(max_examples=20, phases=NO_SHRINK)
def test_a_plan_makes_no_write_call_and_leaves_the_state_alone(
    new_project: NewProject,
    before: list[Resource],
    now: list[Resource],
    meddling: list[Meddling],
) -> None:
    project = new_project()
    project.plan(now, project=ANY_PRUNE)
    assert not project.world.writes
    assert not list(project.folder.iterdir())
    apply(project, before)
    for meddle in meddling:
        meddle(project)
    writes, files = list(project.world.writes), _contents(project.folder)
    project.plan(now, project=ANY_PRUNE)
    project.plan(now, project=ANY_PRUNE, refresh=False)
    project.plan(now, project=ANY_PRUNE, destroy=True, delete_data=True)
    assert project.world.writes == writes
    assert _contents(project.folder) == files


def _contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@given(manifest_sets())
@settings(max_examples=15, phases=NO_SHRINK)
def test_destroy_leaves_what_is_kept_and_nothing_else(
    new_project: NewProject, resources: list[Resource]
) -> None:
    project = new_project()
    apply(project, resources)
    apply(project, resources, destroy=True)
    kept = {str(found.address) for found in resources if found.keeps_remote or found.nature.is_run}
    left = {
        str(address)
        for address, record in project.records().items()
        if record.external_id and record.retained
    }
    assert left == kept
    assert len(project.world.objects()) == len(kept)
    assert project.plan(resources, destroy=True).is_empty


@given(pairs())
@settings(max_examples=15, phases=NO_SHRINK)
def test_destroy_with_delete_data_leaves_nothing_at_all(
    new_project: NewProject, sets: tuple[list[Resource], list[Resource]]
) -> None:
    project = new_project()
    apply(project, sets[0])
    apply(project, sets[1])
    apply(project, sets[1], destroy=True, delete_data=True)
    assert not project.world.objects()
    assert not project.records()


@given(pairs())
@settings(max_examples=20, phases=NO_SHRINK)
def test_there_and_back_again_ends_where_it_began(
    new_project: NewProject, sets: tuple[list[Resource], list[Resource]]
) -> None:
    project = new_project()
    here, there = sets
    apply(project, here)
    before = _in_use(project, here)
    apply(project, there)
    apply(project, here)
    assert _in_use(project, here) == before


def _in_use(project: TestProject, resources: list[Resource]) -> dict[str, Any]:
    """What the declared resources are, and what the world has of them."""
    records, found = project.records(), {}
    things = {thing.id: thing for thing in project.world.objects()}
    for one in resources:
        record = records[one.address]
        thing = things.get(record.external_id)
        found[str(one.address)] = (
            record.spec,
            record.digest,
            record.promoted.get("digest"),
            thing and {name: thing.spec.get(name) for name in record.spec},
            thing and thing.outputs.get("digest"),
        )
    return found


@given(pairs(), st.randoms(use_true_random=False))
@settings(max_examples=15, phases=NO_SHRINK)
def test_the_same_resources_in_any_order_give_the_same_plan(
    new_project: NewProject, sets: tuple[list[Resource], list[Resource]], random: Any
) -> None:
    project = new_project()
    apply(project, sets[0])
    shuffled = list(sets[1])
    random.shuffle(shuffled)
    plan, same = (project.plan(found, project=ANY_PRUNE) for found in (sets[1], shuffled))
    assert _without_origins(to_document(plan)) == _without_origins(to_document(same))


def _without_origins(document: Any) -> Any:
    """The line that a resource stands in is all that an order may change."""
    if isinstance(document, dict):
        return {key: _without_origins(value) for key, value in document.items() if key != "origin"}
    return [_without_origins(item) for item in document] if isinstance(document, list) else document


@given(pairs())
@settings(max_examples=15, phases=NO_SHRINK)
def test_a_saved_plan_reads_back_as_it_was(
    new_project: NewProject, sets: tuple[list[Resource], list[Resource]]
) -> None:
    project = new_project()
    apply(project, sets[0])
    saved = SavedPlan.of(project.plan(sets[1], project=ANY_PRUNE), ("all.yaml",))
    write_saved(saved, project.folder / "plan.json")
    assert to_document(read_saved(project.folder / "plan.json").plan) == to_document(saved.plan)
