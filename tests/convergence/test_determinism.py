"""The same manifests and the same world give the same plan, byte for byte."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import orjson
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright.engine.reconcile import Reconciler
from loopwright.engine.workspace import declare
from loopwright.planning.plan import Selection
from loopwright.planning.render.json import to_document
from support.projects import TestProject, flywheel, manifest_of, resource

NewProject = Callable[[], TestProject]


def _in_any_order(value: Any, order: random.Random) -> Any:
    if isinstance(value, dict):
        items = [(key, _in_any_order(item, order)) for key, item in value.items()]
        order.shuffle(items)
        return dict(items)
    return [_in_any_order(item, order) for item in value] if isinstance(value, list) else value


def _plan(project: TestProject, seed: int) -> bytes:
    """Of one file a resource, written and filled in any order."""
    order, folder = random.Random(seed), project.folder / f"manifests-{seed}"
    resources = flywheel(ratio=0.3)
    order.shuffle(resources)
    folder.mkdir()
    for found in resources:
        document = _in_any_order(manifest_of(found), order)
        path = folder / f"{found.kind}-{found.metadata.name}.yaml".lower()
        path.write_text(yaml.safe_dump(document, sort_keys=False))
    declared = declare(project.workspace, [str(folder)])
    plan = Reconciler(project.workspace, declared).plan(Selection())
    return orjson.dumps(to_document(plan)).replace(folder.name.encode(), b"manifests")


@given(st.integers(0, 2**32))
@settings(max_examples=10)
def test_shuffled_files_and_keys_give_the_same_bytes(new_project: NewProject, seed: int) -> None:
    project = new_project()
    project.apply(flywheel())
    assert _plan(project, seed) == _plan(project, -1)


def test_thousands_of_resources_make_the_same_plan_however_parallel(project: TestProject) -> None:
    provider = resource("Provider", "mem", type="memory")
    lakes = [resource("Lake", f"l{n}", provider="mem", storage=f"l/{n}") for n in range(20)]
    some = [provider, *lakes]
    for n in range(900):
        some.append(resource("Endpoint", f"e{n}", provider="mem", model={"base": "tiny"}))
        some.append(
            resource("Delivery", f"e{n}", provider="mem", endpoint=f"e{n}", lake=f"l{n % 20}")
        )
    project.apply([provider, *lakes])
    told = []
    for parallelism in (1, 7):
        random.Random(parallelism).shuffle(some)
        reconciler = project.reconciler(some)
        reconciler.parallelism = parallelism
        plan = reconciler.plan(Selection())
        assert len(plan.pending) == 2 * 900
        told.append([(change.address, change.stage, change.reason) for change in plan.changes])
    assert told[0] == told[1]
