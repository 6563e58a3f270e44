"""A daemon in a thread of the test, with models that are none behind its endpoints."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import uvloop

from loopwright.clock import Clock
from loopwright.daemon.declared import DaemonFolder, Declared
from loopwright.daemon.lakes import Logs
from loopwright.daemon.presence import Presence
from loopwright.daemon.project import DaemonProject, write_project
from loopwright.daemon.runtime_process import Command
from loopwright.daemon.runtimes import Runtimes
from loopwright.daemon.secrets import Secrets
from loopwright.daemon.served import ServedModel
from loopwright.daemon.service import Daemon
from loopwright.gateway.server import GatewayServer
from loopwright.gateway.settings import Settings
from loopwright.manifests.project import Project
from support import fake_runtime
from support.daemons import eventually
from support.loops import LoopThread, loop_in_thread

BASE = "base"


@dataclass
class DaemonHere:
    """The daemon, told what is declared as adapters tell it."""

    project: Path
    folder: DaemonFolder
    daemon: Daemon
    thread: LoopThread

    def declare(self, name: str, model: ServedModel | None = None, **more: Any) -> None:
        """An endpoint, followed when this returns; its model may still be loading."""
        spec = {"model": {"base": BASE}, **more.pop("spec", {})}
        serves = model.to_json() if model else None
        self.folder.endpoints.put(Declared(name, "test", spec, serves=serves, **more))
        self.reload()

    def reload(self, *, retry: bool = False) -> None:
        self.thread.run(self.daemon.reload({}, retry=retry))

    def status(self, name: str) -> dict[str, Any]:
        """What is told of an endpoint."""
        told: dict[str, Any] = self.told()["endpoints"].get(name, {})
        return told

    def told(self) -> dict[str, Any]:
        async def asked() -> dict[str, Any]:
            return self.daemon.status()

        return self.thread.run(asked())

    def settled(self, name: str, label: str) -> None:
        """Return once the endpoint serves the model of this label."""
        eventually(lambda: self.serves(name) == (label, ""))

    def serves(self, name: str) -> tuple[str, str]:
        told = self.status(name)
        return told.get("serves", ""), told.get("loading", "")

    @property
    def url(self) -> str:
        return f"{self.daemon.url}/v1"


@contextmanager
def daemon_here(
    folder: Path, *, clock: Clock | None = None, command: Command = fake_runtime.command
) -> Iterator[DaemonHere]:
    """Ended, with every runtime, when the block is."""
    state = DaemonFolder(folder / ".loopwright" / "default")
    project = Project.model_validate({"gateway": {"listen": "127.0.0.1:0"}})
    write_project(state.path, folder, project, {})
    known = Secrets(folder, os.environ)
    lock = Presence(state.path).hold()
    assert lock is not None

    def make_gateway(settings: Settings, logs: Logs, runtimes: Runtimes) -> GatewayServer:
        return GatewayServer(settings, logs=logs.by_lake, runtime_facts=runtimes.facts)

    with loop_in_thread(uvloop.new_event_loop) as thread:

        async def begun() -> tuple[Daemon, asyncio.Task[None]]:
            daemon = Daemon(
                state,
                known,
                project=DaemonProject.read(state.path, os.environ),
                make_gateway=make_gateway,
                detached=False,
                clock=clock,
                command=command,
            )
            return daemon, asyncio.create_task(daemon.run())

        daemon, running = thread.run(begun())
        here = DaemonHere(folder, state, daemon, thread)
        try:
            eventually(lambda: Presence(state.path).facts())
            yield here
        finally:
            daemon.interrupt()

            async def ended() -> None:
                await running

            thread.run(ended())
            os.close(lock)


def a_model(project: Path, label: str, *, on: str = BASE, **marks: str) -> ServedModel:
    """An adapter on a base, or with `on` empty a full model; `marks` are files in its folder."""
    folder = project / "models" / label.replace("@", "-")
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in marks.items():
        (folder / name).write_text(text)
    (project / "models" / (on or "none")).mkdir(exist_ok=True)
    path = str(folder.relative_to(project))
    full = ServedModel(label, f"sha256:{label}", path, f"sha256:{label}", base=label)
    if not on:
        return full
    weights = f"models/{on}"
    return replace(full, weights=weights, weights_digest=f"sha256:{on}", base=on, adapter=path)
