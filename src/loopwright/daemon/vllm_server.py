"""A vLLM server that models are served by: adapters loaded on it, full models looked for there.

It belongs to somebody else: it is asked now and then, since who starts it anew has no adapters.
"""

from __future__ import annotations

import asyncio
import logging
import re
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any

from loopwright.daemon.served import Address, ServedModel, Server
from loopwright.errors import ModelError, ServingError
from loopwright.hashing import sha256_hex
from loopwright.serving.adapters import AdapterServer, ServerAwayError

_log = logging.getLogger("loopwright.daemon.runtimes")
_LOOK, _LOOK_WHEN_SERVING = 1.0, 5.0
_REVISION = re.compile(r"@[0-9]+$")  # of a registered model: no name without it means the same
Listed = Sequence[dict[str, Any]]


class VllmServer:
    """One server, with the models that are wanted of it."""

    def __init__(
        self, server: Server, *, folder: Path, project: Path, changed: Callable[[], None]
    ) -> None:
        """`folder` is the environment's own: nobody else has it on this machine."""
        self._owner = f"{socket.gethostname()} {folder.absolute()}"
        self._at, self._project, self._changed = server, project, changed
        self._server = AdapterServer(server.url, server.key, seconds=30.0)
        self._wanted: dict[str, ServedModel] = {}
        self._names: dict[str, str] = {}
        self._problems: dict[str, str] = {}
        self._ours: set[str] = set()
        self._away = ""
        self._task: asyncio.Task[None] | None = None
        self._soon = asyncio.Event()
        self._is_leaving = False

    def start(self) -> None:
        self._task = asyncio.create_task(self._follow())

    def want(self, model: ServedModel) -> None:
        if self._wanted.get(model.label) != model:
            self._problems.pop(model.label, None)
            self._names.pop(model.label, None)
            self._wanted[model.label] = model
            self._soon.set()

    def drop(self, label: str) -> None:
        self._wanted.pop(label, None)
        self._names.pop(label, None)
        self._problems.pop(label, None)
        self._soon.set()

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(self._wanted)

    def address(self, model: ServedModel) -> Address | None:
        """None while it is not known to answer with this model."""
        name = self._names.get(model.label)
        if name is None or self._wanted.get(model.label) != model:
            return None
        return Address(self._at.url.rstrip("/"), name, self._at.key)

    def problem(self, model: ServedModel) -> str:
        """Why it will not, as things are. A server that is away may come back."""
        return self._problems.get(model.label) or self._away

    def retry(self) -> None:
        self._problems.clear()
        self._away = ""
        self._soon.set()

    def status(self) -> dict[str, Any]:
        return {
            "base": self._at.url,
            "pid": None,
            "starts": 0,
            "models": sorted(self._names),
            "serving": not self._away,
            "problem": self._away,
        }

    async def stop(self) -> None:
        """Take our adapters away again, as far as the server is there."""
        self._is_leaving = True
        self._soon.set()
        if self._task is not None:
            await self._task
        with suppress(ServingError):
            for name in self._ours:
                await asyncio.to_thread(self._server.unload, name)

    async def _follow(self) -> None:
        while not self._is_leaving:
            self._soon.clear()
            before = (dict(self._names), dict(self._problems), self._away)
            await self._look()
            if before != (self._names, self._problems, self._away):
                self._changed()
            settled = self._wanted.keys() <= self._names.keys()
            with suppress(TimeoutError):
                pause = _LOOK_WHEN_SERVING if settled else _LOOK
                await asyncio.wait_for(self._soon.wait(), pause)

    async def _look(self) -> None:
        try:
            listed = await asyncio.to_thread(self._server.listed)
            for label, model in list(self._wanted.items()):
                await self._see_to(label, model, listed)
            for name in list(self._ours - self._own_names()):
                await asyncio.to_thread(self._server.unload, name)
                self._ours.discard(name)
        except ServingError as error:
            if not self._away:
                _log.warning("a vLLM server does not serve", extra={"why": error.message})
            self._away = error.message
            if not isinstance(error, ServerAwayError):
                self._names.clear()
        else:
            self._away = ""

    async def _see_to(self, label: str, model: ServedModel, listed: Listed) -> None:
        """Raises ServerAwayError. What the server has against one model is that one's problem."""
        try:
            if model.adapter is None:
                self._names[label] = self._full(model, listed)
            else:
                self._names[label] = await self._adapter(label, model, listed)
        except ServerAwayError:
            raise
        except (ModelError, ServingError) as error:
            self._names.pop(label, None)
            said = f"{error.message}; {error.hint}" if error.hint else error.message
            self._problems[label] = said
        else:
            self._problems.pop(label, None)

    def _full(self, model: ServedModel, listed: Listed) -> str:
        """The name under which the server has these weights. Raises ServingError."""
        own = {model.label, str(model.folder(self._project))}
        for one in listed:
            is_it = bool({str(one.get("id")), str(one.get("root"))} & own)
            if is_it or (not _REVISION.search(model.label) and _same(one, model.label)):
                return str(one["id"])
        raise ServingError(
            f"the server at {self._at.url} does not serve {model.label}: it has {_names(listed)}",
            hint=f"start it with these weights: vllm serve {model.weights} "
            f"--served-model-name {model.label}",
        )

    def _own_names(self) -> set[str]:
        return {
            self._own_name(model) for model in self._wanted.values() if model.adapter is not None
        }

    def _own_name(self, model: ServedModel) -> str:
        """The same label may be another model elsewhere, and who shares a name takes it away."""
        return f"{model.label}-{sha256_hex(f'{self._owner} {model.digest}'.encode())[:8]}"

    async def _adapter(self, label: str, model: ServedModel, listed: Listed) -> str:
        """The name that it has there. Raises ServingError when the server has another base, or
        refuses the adapter, ModelError when its files are not what was verified.

        Others may use the server too, other projects and environments among them: what bears this
        name was loaded from here for this very model, and nothing else is ever taken away.
        """
        name = self._own_name(model)
        if any(one.get("id") == name for one in listed):
            self._ours.add(name)
            return name
        bases = [one for one in listed if not one.get("parent")]
        if not any(_same(one, model.base) for one in bases):
            raise ServingError(
                f"{label} was tuned on {model.base}, and the server at {self._at.url} serves "
                f"{_names(bases)}",
                hint="start vLLM with that base, or name another server in runtime.vllm",
            )
        assert model.adapter is not None
        folder, imprint = self._project / model.adapter, model.adapter_imprint
        await asyncio.to_thread(imprint.within(self._project).check, folder)
        await asyncio.to_thread(self._server.load, name, folder)
        self._ours.add(name)
        return name


def _same(listed: dict[str, Any], reference: str) -> bool:
    """Whether a listed model is the one of this reference: by its last part, since the server has
    its own paths and may have a name of its own for it."""
    return _last(reference) in {_last(str(listed.get(key) or "")) for key in ("id", "root")}


def _last(reference: str) -> str:
    plain = reference.removeprefix("builtin:").partition("@")[0]
    return PurePosixPath(plain).name.casefold()


def _names(listed: Listed) -> str:
    return ", ".join(str(one.get("id")) for one in listed) or "nothing"
