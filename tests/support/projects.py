"""Whole projects in memory: resources by hand, a fake cloud, a fake clock, a real state file.

`memory_worlds` has to stand in for the registry's look-up, so that each project meets its own
world; the conftest of a folder does that.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loopwright.clock import FakeClock
from loopwright.engine.events import Event, Listener, silent
from loopwright.engine.reconcile import Outcome, Reconciler
from loopwright.engine.saved import SavedPlan
from loopwright.engine.workspace import Declared, Workspace
from loopwright.graph import build
from loopwright.hashing import digest
from loopwright.manifests.project import Project
from loopwright.planning.plan import Plan, Selection
from loopwright.providers import registry
from loopwright.providers.base import Provider, ProviderContext, ProviderFactory
from loopwright.providers.memory import MemoryFactory
from loopwright.providers.memory.contents import Write
from loopwright.providers.memory.world import World
from loopwright.resources.address import Address
from loopwright.resources.base import Resource
from loopwright.resources.registry import resource_class
from loopwright.state.records import Record
from loopwright.state.store import Entry, StateSession

API = "loopwright.dev/v1alpha1"


def resource(kind: str, name: str, **spec: Any) -> Resource:
    """A validated resource, as a manifest would declare it."""
    return resource_class(kind).model_validate(manifest(kind, name, **spec))


def manifest(kind: str, name: str, **spec: Any) -> dict[str, Any]:
    """The document that declares a resource."""
    return {"apiVersion": API, "kind": kind, "metadata": {"name": name}, "spec": spec}


def manifest_of(resource: Resource) -> dict[str, Any]:
    """The document that a resource would have been read from."""
    return manifest(resource.kind, resource.metadata.name, **resource.desired())


def declared(resources: Iterable[Resource], project: Project | None = None) -> Declared:
    """What a set of manifests with these resources would say."""
    by_address = {found.address: found for found in resources}
    graph, problems = build(by_address)
    assert not problems, problems
    return Declared(
        resources=by_address,
        graph=graph,
        project=project or Project(),
        origins={address: f"all.yaml:{i + 1}" for i, address in enumerate(sorted(by_address))},
        digest=digest({str(address): found.desired() for address, found in by_address.items()}),
        sources=("all.yaml",),
    )


def flywheel(*, ratio: float = 0.2, connection: dict[str, Any] | None = None) -> list[Resource]:
    """The whole loop, from endpoint to promotion, on one provider named `mem`."""
    return [
        resource("Provider", "mem", type="memory", connection=connection or {}),
        resource("Lake", "main", provider="mem", storage="lake"),
        resource(
            "Endpoint",
            "prod",
            provider="mem",
            model={"base": "tiny"},
            promote={
                "from": "router",
                "gate": {"evalRun": "candidate", "minComposite": 1},
            },
        ),
        resource("Delivery", "prod", provider="mem", endpoint="prod", lake="main"),
        resource(
            "Dataset",
            "router",
            provider="mem",
            source={"lake": "main"},
            sampling={"ratio": ratio},
        ),
        resource("FineTuneJob", "router", provider="mem", base="tiny", dataset="Dataset/router"),
        resource("Endpoint", "candidate", provider="mem", model={"fineTuneJob": "router"}),
        resource(
            "EvalSuite",
            "routing",
            capabilities=[
                {
                    "name": "routing",
                    "datasets": [
                        {"name": "held-out", "dataset": "Dataset/router", "method": "exactMatch"}
                    ],
                }
            ],
        ),
        resource("EvalRun", "candidate", provider="mem", suite="routing", endpoint="candidate"),
        resource(
            "Export",
            "router",
            provider="mem",
            source={"dataset": "Dataset/router"},
            to={"path": "out"},
        ),
    ]


@dataclass
class TestProject:
    """A project folder with a world of its own that outlives every process of the test."""

    __test__ = False

    folder: Path
    world: World = field(default_factory=World)
    clock: FakeClock = field(default_factory=FakeClock)
    events: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        _WORLDS[self.folder] = self.world

    @property
    def workspace(self) -> Workspace:
        return Workspace(self.folder, clock=self.clock)

    def reconciler(
        self,
        resources: Iterable[Resource],
        *,
        project: Project | None = None,
        listener: Listener | None = None,
        stop: threading.Event | None = None,
    ) -> Reconciler:
        return Reconciler(
            self.workspace,
            declared(resources, project),
            listener=listener or self.events.append,
            stop=stop,
        )

    @contextmanager
    def session(self) -> Iterator[StateSession]:
        with self.workspace.state().session(holder="test", command="apply") as session:
            yield session

    def plan(
        self, resources: Iterable[Resource], *, project: Project | None = None, **selection: Any
    ) -> Plan:
        reconciler = self.reconciler(resources, project=project, listener=silent)
        return reconciler.plan(Selection(**selection))

    def apply(
        self,
        resources: Iterable[Resource],
        *,
        waits: bool = True,
        approve: Callable[[Plan], bool] = lambda plan: True,
        project: Project | None = None,
        stop: threading.Event | None = None,
        **selection: Any,
    ) -> Outcome:
        reconciler = self.reconciler(resources, project=project, stop=stop)
        with self.session() as session:
            return reconciler.apply(session, Selection(**selection), approve=approve, waits=waits)

    def save(self, resources: Iterable[Resource], *, project: Project | None = None) -> SavedPlan:
        return SavedPlan.of(self.plan(resources, project=project), ("all.yaml",))

    def apply_saved(
        self,
        resources: Iterable[Resource],
        saved: SavedPlan,
        *,
        resumes: bool = False,
        waits: bool = True,
        project: Project | None = None,
        stop: threading.Event | None = None,
    ) -> Outcome:
        reconciler = self.reconciler(resources, project=project, stop=stop)
        with self.session() as session:
            return reconciler.apply(
                session,
                saved.plan.selection,
                approve=lambda plan: True,
                waits=waits,
                saved=saved,
                resumes=resumes,
            )

    def records(self) -> dict[Address, Record]:
        return dict(self.workspace.state().records())

    def record(self, text: str) -> Record:
        return self.records()[Address.parse(text)]

    def journal(self, *kinds: str) -> list[Entry]:
        return [entry for entry in self.workspace.state().journal() if entry.kind in kinds]

    def writes(self, action: str | None = None) -> list[Write]:
        """Calls that changed the world, in order."""
        return [
            write
            for write in self.world.writes
            if write.effective and action in (None, write.action)
        ]

    def writes_to(self, text: str, action: str | None = None) -> int:
        return sum(write.address == text for write in self.writes(action))


_WORLDS: dict[Path, World] = {}


class _Worlds(MemoryFactory):
    """Providers of a project all live in the world of that project."""

    def build(self, context: ProviderContext) -> Provider:
        return MemoryFactory(_WORLDS.get(context.project_dir)).build(context)


def memory_worlds(provider_type: str) -> ProviderFactory:
    """`registry.factory`, with a world for each project."""
    return _Worlds() if provider_type == "memory" else registry.factory(provider_type)
