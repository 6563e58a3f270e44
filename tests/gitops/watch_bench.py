"""A watcher on the fake cloud in virtual time: hours pass in milliseconds, everything is heard."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from loopwright.clock import FakeClock, to_text
from loopwright.engine.workspace import Workspace
from loopwright.gitops.declaring import LastGood, declare_revision
from loopwright.gitops.folder import FolderSource
from loopwright.gitops.loop import Parts, Watcher
from loopwright.gitops.metrics import Metrics
from loopwright.gitops.notifications import Message, Notifications
from loopwright.gitops.passes import Passes
from loopwright.gitops.reporting import Reporter
from loopwright.gitops.status import StatusFile, WatchStatus, read_status
from loopwright.providers.memory.world import World
from loopwright.resources.address import Address
from loopwright.state.records import Record
from loopwright.state.store import Entry

START = datetime.fromisoformat("2026-03-01T00:00:00+00:00")

PROVIDER = """
apiVersion: loopwright.dev/v1alpha1
kind: Provider
metadata: {name: mem}
spec:
  type: memory
  prices: {currency: CNY, trainingPerMillionTokens: 100}
  connection: %s
"""


def provider(**connection: Any) -> str:
    return PROVIDER % json.dumps({"world": "world.jsonl", **connection})


def resource(kind: str, name: str, **spec: Any) -> str:
    lines = {"apiVersion": "loopwright.dev/v1alpha1", "kind": kind, "metadata": {"name": name}}
    return json.dumps({**lines, "spec": {"provider": "mem", **spec}})


def lake(name: str = "main", **spec: Any) -> str:
    return resource("Lake", name, storage=f"lakes/{name}", **spec)


def dataset(name: str = "d", **spec: Any) -> str:
    return resource(
        "Dataset", name, **{"source": {"lake": "main"}, "sampling": {"ratio": 0.2}} | spec
    )


def job(name: str = "f", **spec: Any) -> str:
    return resource("FineTuneJob", name, **{"base": "tiny", "dataset": "Dataset/d"} | spec)


def endpoint(name: str = "chat", **spec: Any) -> str:
    return resource("Endpoint", name, **{"type": "custom", "model": {"base": "tiny"}} | spec)


def suite() -> str:
    scored = {"name": "n", "dataset": "Dataset/d", "method": "exactMatch"}
    spec = {"capabilities": [{"name": "c", "datasets": [scored]}]}
    kind = {"apiVersion": "loopwright.dev/v1alpha1", "kind": "EvalSuite", "metadata": {"name": "s"}}
    return json.dumps({**kind, "spec": spec})


@dataclass
class Script:
    """A pace in virtual time: runs what was planned for a moment, and ends at the end."""

    clock: FakeClock
    plans: list[tuple[datetime, Callable[[], object], bool]] = field(default_factory=list)
    waits: int = 0

    def at(self, moment: datetime, act: Callable[[], object], *, wakes: bool = True) -> None:
        self.plans.append((moment, act, wakes))
        self.plans.sort(key=lambda plan: plan[0])

    def wait(self, seconds: float) -> bool:
        self.waits += 1
        assert self.waits < 50_000, "the loop does not rest"
        now = self.clock.now()
        until = now + timedelta(seconds=seconds)
        if not self.plans or self.plans[0][0] > until:
            self.clock.advance(seconds)
            return False
        moment, act, wakes = self.plans.pop(0)
        self.clock.advance(max(0.0, (moment - now).total_seconds()))
        act()
        return wakes

    def wake(self) -> None:
        """Nobody sleeps here."""

    def close(self) -> None:
        """Nothing is open."""


class Bench:
    """One project folder, one world, and as many watchers after each other as a test likes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = FakeClock(START)
        self.pace = Script(self.clock)
        self.workspace = Workspace(folder, clock=self.clock)
        self.messages: list[Message] = []
        self.lines: list[str] = []
        self.metrics = Metrics()
        self._plans: list[tuple[float, Callable[[], object], bool]] = []

    @property
    def manifests(self) -> Path:
        return self.folder / "flows"

    def project(self, text: str) -> None:
        (self.folder / "loopwright.yaml").write_text(text)

    def write(self, *documents: str, name: str = "m.yaml") -> None:
        self.manifests.mkdir(exist_ok=True)
        (self.manifests / name).write_text("\n---\n".join(documents))

    def at(self, seconds: float, act: Callable[[], object], *, wakes: bool = True) -> None:
        """Do something so many seconds after the start of the next watch."""
        self._plans.append((seconds, act, wakes))

    def watch(self, seconds: float, *, interval: float = 60, prune: bool = False) -> None:
        """A watcher from its start to SIGTERM."""
        began = self.clock.now()
        for after, act, wakes in self._plans:
            self.pace.at(began + timedelta(seconds=after), act, wakes=wakes)
        self._plans.clear()
        source = FolderSource([str(self.manifests)], beside=[self.folder / "loopwright.yaml"])
        source.begin = lambda wake: None  # type: ignore[method-assign]  # the script wakes
        reporter = self._reporter()
        parts = Parts(
            workspace=self.workspace,
            source=source,
            manifests=LastGood(
                source, declare_revision(self.workspace, variables={}, var_files=())
            ),
            passes=Passes(self.workspace, prune=prune, listener=reporter.event),
            pace=self.pace,
            reporter=reporter,
            beat=lambda: None,
        )
        watcher = Watcher(parts, interval=interval)
        self.pace.at(began + timedelta(seconds=seconds), watcher.stop)
        watcher.run()

    def _reporter(self) -> Reporter:
        last = read_status(self.workspace.state_dir) or WatchStatus()
        return Reporter(
            clock=self.clock,
            status=WatchStatus(last_good=last.last_good, causes=last.causes),
            file=StatusFile(self.workspace.state_dir),
            metrics=self.metrics,
            notifications=Notifications("default"),
            send=lambda message, hooks: self.messages.append(message),
            say=lambda kind, line, facts: self.lines.append(f"{to_text(self.clock.now())} {line}"),
            beat=lambda: None,
        )

    @property
    def world(self) -> World:
        return World(self.folder / "world.jsonl")

    @property
    def status(self) -> WatchStatus:
        found = read_status(self.workspace.state_dir)
        assert found is not None
        return found

    def journal(self, kind: str, **filters: str) -> list[Entry]:
        return [one for one in self.workspace.state().journal(**filters) if one.kind == kind]

    def record(self, address: str) -> Record:
        found = self.workspace.state().record(Address.parse(address))
        assert found is not None
        return found

    def since_start(self, entry: Entry) -> float:
        return (datetime.fromisoformat(entry.at) - START).total_seconds()

    def told(self) -> list[tuple[str, str]]:
        return [(message.event, message.cause) for message in self.messages]

    def external_id(self, kind: str, name: str) -> str:
        return next(found.id for found in self.world.objects(kind) if found.name == name)
