"""Whole projects in memory: resources by hand, a fake cloud, a fake clock, a real state file."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loopwright.clock import FakeClock
from loopwright.engine.events import Event, Listener, silent
from loopwright.engine.reconcile import Outcome, Reconciler
from loopwright.engine.workspace import Declared, Workspace
from loopwright.graph import build
from loopwright.hashing import digest
from loopwright.manifests.project import Project
from loopwright.planning.plan import Plan, Selection
from loopwright.providers.memory import MemoryFactory
from loopwright.providers.memory.world import World
from loopwright.resources.address import Address
from loopwright.resources.base import Resource
from loopwright.resources.registry import resource_class
from loopwright.state.records import Record

API = "loopwright.dev/v1alpha1"


def resource(kind: str, name: str, **spec: Any) -> Resource:
    """A validated resource, as a manifest would declare it."""
    return resource_class(kind).model_validate(
        {"apiVersion": API, "kind": kind, "metadata": {"name": name}, "spec": spec}
    )


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

    def plan(self, resources: Iterable[Resource], **selection: Any) -> Plan:
        return self.reconciler(resources, listener=silent).plan(Selection(**selection))

    def apply(
        self,
        resources: Iterable[Resource],
        *,
        waits: bool = True,
        approve: Callable[[Plan], bool] = lambda plan: True,
        project: Project | None = None,
        **selection: Any,
    ) -> Outcome:
        reconciler = self.reconciler(resources, project=project)
        with self.workspace.state().session(holder="test", command="apply") as session:
            return reconciler.apply(session, Selection(**selection), approve=approve, waits=waits)

    def records(self) -> dict[Address, Record]:
        return dict(self.workspace.state().records())

    def record(self, text: str) -> Record:
        return self.records()[Address.parse(text)]


def injected(world: World) -> MemoryFactory:
    """A factory whose providers all live in one world."""
    return MemoryFactory(world)
