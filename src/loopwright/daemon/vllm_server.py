"""A vLLM server that models are served by: adapters loaded on it, full models looked for there.

It belongs to somebody else: it is asked now and then, since who starts it anew has no adapters.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any

from loopwright.daemon.served import Address, ServedModel, Server
from loopwright.errors import ServingError
from loopwright.serving.adapters import AdapterServer, ServerAwayError

_log = logging.getLogger("loopwright.daemon.runtimes")
_LOOK, _LOOK_WHEN_SERVING = 1.0, 5.0
_REVISION = re.compile(r"@[0-9]+$")  # of a registered model: no name without it means the same
Listed = Sequence[dict[str, Any]]


class VllmServer:
    """One server, with the models that are wanted of it."""

    def __init__(self, server: Server, *, project: Path, changed: Callable[[], None]) -> None:
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
            for name in list(self._ours - self._wanted.keys()):
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
                await self._adapter(label, model, listed)
                self._names[label] = label
        except ServerAwayError:
            raise
        except ServingError as error:
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

    async def _adapter(self, label: str, model: ServedModel, listed: Listed) -> None:
        """Raises ServingError when the server has another base, or refuses the adapter."""
        if label in self._ours and any(one.get("id") == label for one in listed):
            return
        bases = [one for one in listed if not one.get("parent")]
        if not any(_same(one, model.base) for one in bases):
            raise ServingError(
                f"{label} was tuned on {model.base}, and the server at {self._at.url} serves "
                f"{_names(bases)}",
                hint="start vLLM with that base, or name another server in runtime.vllm",
            )
        assert model.adapter is not None
        if any(one.get("id") == label for one in listed):  # of an earlier life: maybe another one
            await asyncio.to_thread(self._server.unload, label)
        await asyncio.to_thread(self._server.load, label, self._project / model.adapter)
        self._ours.add(label)


def _same(listed: dict[str, Any], reference: str) -> bool:
    """Whether a listed model is the one of this reference: by its last part, since the server has
    its own paths and may have a name of its own for it."""
    return _last(reference) in {_last(str(listed.get(key) or "")) for key in ("id", "root")}


def _last(reference: str) -> str:
    plain = reference.removeprefix("builtin:").partition("@")[0]
    return PurePosixPath(plain).name.casefold()


def _names(listed: Listed) -> str:
    return ", ".join(str(one.get("id")) for one in listed) or "nothing"
