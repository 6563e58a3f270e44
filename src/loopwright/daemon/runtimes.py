"""Everything that computes models for this daemon: processes of its own, and vLLM servers.

One for all models that can share it. What nobody wants any more goes once no call waits for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

from loopwright.daemon.runtime_process import Command, RuntimeProcess
from loopwright.daemon.served import Address, Choice, ServedModel, Server
from loopwright.daemon.vllm_server import VllmServer
from loopwright.gateway.metrics import RuntimeFacts
from loopwright.hashing import sha256_hex
from loopwright.serving.launch import command

InUse = Collection[tuple[str, str]]
"""URL and model of what calls go to, or still wait for."""


class Backer(Protocol):
    """What computes some models, from `start` to `stop`."""

    def start(self) -> None: ...

    def want(self, model: ServedModel) -> None: ...

    def drop(self, label: str) -> None: ...

    @property
    def labels(self) -> tuple[str, ...]: ...

    def address(self, model: ServedModel) -> Address | None: ...

    def problem(self, model: ServedModel) -> str: ...

    def retry(self) -> None: ...

    def status(self) -> dict[str, Any]: ...

    async def stop(self) -> None: ...


class Runtimes:
    """`changed` is called whenever a model came or went. Belongs to one event loop."""

    def __init__(
        self,
        folder: Path,
        project: Path,
        environ: Callable[[], Mapping[str, str]],
        changed: Callable[[], None],
        *,
        command: Command = command,
    ) -> None:
        self._folder, self._project = folder, project
        self._environ, self._changed, self._command = environ, changed, command
        self._backers: dict[str, Backer] = {}
        self._held: dict[tuple[str, str], ServedModel] = {}
        self._known: dict[tuple[str, str], ServedModel] = {}
        self._ending: set[asyncio.Task[None]] = set()

    def hold(self, choices: Iterable[Choice]) -> None:
        """Have these computed; the others may go, see `retire`."""
        self._held = {}
        for choice in choices:
            if choice.model is None:
                continue
            key = _key(choice.model, choice.server)
            self._held[key, choice.model.label] = choice.model
            self._known[key, choice.model.label] = choice.model
            self._backer(key, choice.model, choice.server).want(choice.model)

    def address(self, choice: Choice) -> Address | None:
        """Where it answers; None while it does not, and of servers that answer by themselves."""
        found = self._of(choice)
        return found.address(choice.model) if found and choice.model else None

    def problem(self, choice: Choice) -> str:
        """Why it cannot be computed, as things are."""
        found = self._of(choice)
        return found.problem(choice.model) if found and choice.model else ""

    def retry(self) -> None:
        """Try what failed once more."""
        for backer in self._backers.values():
            backer.retry()

    def retire(self, in_use: InUse) -> None:
        """Let go what is not held and that no call waits for."""
        for (key, label), model in list(self._known.items()):
            backer = self._backers[key]
            found = backer.address(model)
            is_used = found is not None and (found.url, found.model) in in_use
            if (key, label) not in self._held and not is_used:
                backer.drop(label)
                del self._known[key, label]
        for key, backer in list(self._backers.items()):
            if not backer.labels:
                del self._backers[key]
                ending = asyncio.create_task(backer.stop())
                self._ending.add(ending)
                ending.add_done_callback(self._ending.discard)

    def status(self) -> list[dict[str, Any]]:
        return [backer.status() for backer in self._backers.values()]

    def facts(self) -> list[RuntimeFacts]:
        """For metrics."""
        return [
            RuntimeFacts(
                one["base"],
                one["serving"],
                one["starts"],
                memory_bytes=int(one.get("memory") or 0),
                running=int(one.get("running") or 0),
                waiting=int(one.get("waiting") or 0),
            )
            for one in self.status()
        ]

    async def stop(self) -> None:
        """End every process, and wait until they are gone."""
        backers, self._backers = list(self._backers.values()), {}
        await asyncio.gather(*(one.stop() for one in backers), *self._ending)

    def _of(self, choice: Choice) -> Backer | None:
        if choice.model is None:
            return None
        return self._backers.get(_key(choice.model, choice.server))

    def _backer(self, key: str, model: ServedModel, server: Server | None) -> Backer:
        found = self._backers.get(key)
        if found is None:
            found = self._backers[key] = self._made(key, model, server)
            found.start()
        return found

    def _made(self, key: str, model: ServedModel, server: Server | None) -> Backer:
        if server is not None:
            return VllmServer(
                server, folder=self._folder, project=self._project, changed=self._changed
            )
        return RuntimeProcess(
            model,
            folder=self._folder / key,
            project=self._project,
            environ=self._environ,
            changed=self._changed,
            command=self._command,
        )


def _key(model: ServedModel, server: Server | None) -> str:
    if server is None:
        return model.process
    return sha256_hex(f"{server.url} {server.key}".encode())[:16]
