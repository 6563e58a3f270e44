"""One runtime process: kept alive, told which adapters to hold, and asked how it does.

The base is loaded when it starts; adapters come and go by its routes, so that one that cannot be
loaded is its own problem and no other model's.
"""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from loopwright.daemon.served import Address, ServedModel
from loopwright.daemon.supervision import Supervised
from loopwright.errors import ServingError
from loopwright.serving.adapters import AdapterServer, ServerAwayError
from loopwright.serving.announcing import Announced, read_announced
from loopwright.serving.launch import command, environment
from loopwright.serving.settings import RuntimeSettings

_log = logging.getLogger("loopwright.daemon.runtimes")
_LOOK, _LOOK_WHEN_SERVING = 0.05, 0.5
_ASK_EVERY = 3.0
_DRAIN_SECONDS = 30.0
_REST_AFTER_FAILURE = 60.0

Command = Callable[[Path], list[str]]
"""What runs a runtime with these settings."""


class RuntimeProcess:
    """The process of one base. `changed` is called whenever its models come or go."""

    def __init__(
        self,
        first: ServedModel,
        *,
        folder: Path,
        project: Path,
        environ: Callable[[], Mapping[str, str]],
        changed: Callable[[], None],
        command: Command = command,
    ) -> None:
        self._base, self._folder, self._project = first, folder, project
        self._environ, self._changed = environ, changed
        self._token = secrets.token_urlsafe(32)
        self._wanted: dict[str, ServedModel] = {}
        self._loaded: set[str] = set()
        self._outdated: set[str] = set()
        self._problems: dict[str, str] = {}
        self._failure = ""
        self._announced: Announced | None = None
        self._told: Mapping[str, Any] = {}
        self._asked_at = 0.0
        self._supervised = Supervised(
            command(self._settings_file),
            self._child_environ,
            name="runtime",
            before=self._write_settings,
            ended=self._ended,
        )
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._supervised.start()
        self._task = asyncio.create_task(self._follow())

    def want(self, model: ServedModel) -> None:
        """Have it among the models that are answered with."""
        held = self._wanted.get(model.label)
        if held is not None and held.digest != model.digest:
            self._loaded.discard(model.label)
            self._outdated.add(model.label)
        if held != model:
            self._problems.pop(model.label, None)
        self._wanted[model.label] = model

    def drop(self, label: str) -> None:
        """Nobody calls it any more."""
        self._wanted.pop(label, None)
        self._problems.pop(label, None)

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(self._wanted)

    def address(self, model: ServedModel) -> Address | None:
        """None while it does not answer with this model."""
        held = self._wanted.get(model.label)
        if self._announced is None or held is None or held.digest != model.digest:
            return None
        if model.label not in self._loaded:
            return None
        return Address(f"{self._announced.url}/v1", model.label, self._token)

    def problem(self, model: ServedModel) -> str:
        """Why it will not, as things are."""
        return self._failure or self._problems.get(model.label, "")

    def retry(self) -> None:
        """Try once more what failed."""
        self._problems.clear()
        if self._failure:
            self._failure = ""
            self._supervised.retry()

    def status(self) -> dict[str, Any]:
        """What a person asks of it."""
        return {
            "base": self._base.base,
            "pid": self._supervised.pid,
            "starts": self._supervised.starts,
            "models": sorted(self._loaded & set(self._wanted)),
            "serving": self._announced is not None,
            "problem": self._failure,
            **{name: self._told[name] for name in _SHOWN if name in self._told},
        }

    async def stop(self) -> None:
        """Let it end what it answers, and go."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        await self._supervised.stop(seconds=_DRAIN_SECONDS)
        for path in (self._settings_file, self._announce):
            path.unlink(missing_ok=True)
        with suppress(OSError):
            self._folder.rmdir()

    @property
    def _settings_file(self) -> Path:
        return self._folder / "runtime.json"

    @property
    def _announce(self) -> Path:
        return self._folder / "announced.json"

    def _write_settings(self) -> None:
        """Before each start: what an earlier process told is not of this one."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._announce.unlink(missing_ok=True)
        self._announced, self._told = None, {}
        self._loaded.clear()
        self._outdated.clear()
        bounds = self._base.bounds
        RuntimeSettings(
            weights=self._base.folder(self._project),
            label=self._base.base,
            announce=self._announce,
            threads=bounds.threads,
            max_batch=bounds.max_batch,
            memory_bytes=bounds.memory_bytes,
            idle_seconds=bounds.idle_seconds,
            device=bounds.device,
            trust_remote_code=self._base.trust_remote_code,
            imprints={self._base.base: self._base.imprint.within(self._project)},
        ).write(self._settings_file)

    def _child_environ(self) -> dict[str, str]:
        threads = self._base.bounds.threads
        return environment(self._token, threads=threads, environ=self._environ())

    def _ended(self, code: int) -> float | None:
        """One that said why it cannot serve rests for long: only then may things be different."""
        was_serving, self._announced = self._announced is not None, None
        self._loaded.clear()
        try:
            read_announced(self._announce)
        except ServingError as error:
            self._failure = f"{error.message}; {error.hint}" if error.hint else error.message
        if self._failure or was_serving:
            _log.warning("a runtime ended", extra={"base": self._base.base, "code": code})
            self._changed()
        return _REST_AFTER_FAILURE if self._failure else None

    async def _follow(self) -> None:
        while True:
            with suppress(OSError):  # the state folder may be going
                await self._look()
            await asyncio.sleep(_LOOK_WHEN_SERVING if self._is_settled else _LOOK)

    @property
    def _is_settled(self) -> bool:
        """Whether there is nothing to wait for."""
        if self._announced is None:
            return bool(self._failure)
        return self._wanted.keys() <= self._loaded | self._problems.keys()

    async def _look(self) -> None:
        if self._announced is None:
            with suppress(ServingError):  # told when it has ended
                self._hear(read_announced(self._announce))
        if self._announced is None:
            return
        server = AdapterServer(self._announced.url, self._token)
        for label, model in list(self._wanted.items()):
            if label not in self._loaded and label not in self._problems:
                await self._load(server, label, model)
        for label in list(self._loaded - self._wanted.keys() - {self._base.base}):
            await self._unload(server, label)
        await self._ask()

    def _hear(self, announced: Announced | None) -> None:
        if announced is None or announced.pid != self._supervised.pid:
            return
        self._announced, self._failure = announced, ""
        self._loaded = {self._base.base}
        _log.info("a runtime serves", extra={"base": self._base.base, "port": announced.port})
        self._changed()

    async def _load(self, server: AdapterServer, label: str, model: ServedModel) -> None:
        if model.adapter is None:
            self._problems[label] = f"the runtime of {self._base.base} serves no other full model"
            return
        announced = self._announced
        try:
            if label in self._outdated:  # another model of this name is there
                await asyncio.to_thread(server.unload, label)
                self._outdated.discard(label)
            folder, imprint = self._project / model.adapter, model.adapter_imprint
            await asyncio.to_thread(server.load, label, folder, imprint.within(self._project))
        except ServerAwayError:
            return  # it is dying: tried again with the next one
        except ServingError as error:
            self._problems[label] = error.message
        else:
            if announced is self._announced:
                self._loaded.add(label)
        self._changed()

    async def _unload(self, server: AdapterServer, label: str) -> None:
        with suppress(ServingError):
            await asyncio.to_thread(server.unload, label)
        self._loaded.discard(label)

    async def _ask(self) -> None:
        """What it takes of the machine, now and then."""
        now = asyncio.get_running_loop().time()
        if now - self._asked_at >= _ASK_EVERY and self._announced is not None:
            self._asked_at = now
            with suppress(OSError, ValueError):
                self._told = await asyncio.to_thread(_status, self._announced.url, self._token)


_SHOWN = ("loaded", "memory", "running", "waiting", "tokens")
_STATUS_SECONDS = 5.0


def _status(url: str, token: str) -> Mapping[str, Any]:
    """Raises OSError when it is not answered, ValueError when that is no JSON."""
    from urllib.request import Request, urlopen

    request = Request(f"{url}/status", headers={"authorization": f"Bearer {token}"})
    with urlopen(request, timeout=_STATUS_SECONDS) as answer:
        told: Mapping[str, Any] = json.loads(answer.read())
    return told
