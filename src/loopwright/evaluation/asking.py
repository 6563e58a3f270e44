"""Asks an endpoint what is not known yet: bounded, kept at once, patient with one that is away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from loopwright.errors import EvaluationError
from loopwright.evaluation.answers import Answered, KeptAnswers
from loopwright.inference.asking import ask_all
from loopwright.inference.client import Client, Reply, Server

CHAT = "chat/completions"
_AWAY = frozenset({0, 401, 403, 404, 429, 502, 503, 504})
"""No word of the model itself: nobody there, or the endpoint is not served (yet)."""
_MOVED = frozenset({0, 401})
_LOOK_EVERY = 0.5
_IN_A_ROW = 8

Find = Callable[[], Server | None]
"""Where an endpoint is now; None while nobody serves it."""


class EndpointAwayError(EvaluationError):
    """An endpoint does not answer at all, for longer than it is waited for. May pass."""


@dataclass
class Asker:
    """One endpoint. Its server is looked for again when it moved: a daemon started anew takes
    other keys. Use as an asynchronous context manager."""

    name: str
    find: Find
    patience: float = 60.0
    _client: Client | None = field(default=None, init=False)
    _left: list[Client] = field(default_factory=list, init=False)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    async def ask(self, path: str, request: Mapping[str, Any]) -> Reply:
        """As `Client.ask`. Raises EndpointAwayError while nobody serves the endpoint."""
        client = self._client or await self._connected(None)
        reply = await client.ask(path, request)
        while reply.status in _MOVED:
            now = await self._connected(client)
            if now is client:
                break
            client = now
            reply = await client.ask(path, request)
        return reply

    async def _connected(self, failed: Client | None) -> Client:
        """A client of where the endpoint is now; `failed` itself where that is the same place."""
        async with self._turn:
            if self._client is not None and self._client is not failed:
                return self._client
            server = await self._found()
            if failed is not None and failed.server == server:
                return failed
            self._client = await Client(server, patience=self.patience).__aenter__()
            self._left.append(self._client)
            return self._client

    async def _found(self) -> Server:
        loop = asyncio.get_running_loop()
        until = loop.time() + self.patience
        while (server := self.find()) is None:
            if loop.time() >= until:
                raise EndpointAwayError(
                    f"nobody has served the endpoint {self.name} for {self.patience:g} s",
                    hint="see what keeps the daemon: loopwright status",
                )
            await asyncio.sleep(_LOOK_EVERY)
        return server

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for client in self._left:
            await client.__aexit__(kind, error, trace)


async def ask_kept(
    asker: Asker,
    requests: Mapping[str, Mapping[str, Any]],
    kept: KeptAnswers,
    *,
    concurrency: int,
    told: Callable[[], None],
) -> dict[str, Answered]:
    """What came of every request, by its key; what is kept is not asked again.

    `told` is called once a request. Raises EndpointAwayError when the endpoint answers nothing.
    """
    found: dict[str, Answered] = {}
    for key in requests:
        if (known := kept.get(key)) is not None:
            found[key] = known
            told()
    silence = _Silence(asker.name)

    def done(key: str, reply: Reply) -> None:
        silence.listen(reply)
        found[key] = Answered.of(reply)
        kept.put(key, found[key])
        told()

    await ask_all(
        asker,
        [(key, CHAT, request) for key, request in requests.items() if key not in found],
        concurrency=concurrency,
        done=done,
    )
    silence.end()
    return found


@dataclass
class _Silence:
    """Tells an endpoint that is away from items that fail: nothing but refusals, in a row."""

    name: str
    _row: int = 0
    _has_spoken: bool = False
    _last: str = ""

    def listen(self, reply: Reply) -> None:
        if reply.status not in _AWAY:
            self._has_spoken, self._row = True, 0
            return
        self._row += 1
        self._last = reply.error
        if self._row >= _IN_A_ROW:
            raise self._error()

    def end(self) -> None:
        if self._row and not self._has_spoken:
            raise self._error()

    def _error(self) -> EndpointAwayError:
        return EndpointAwayError(
            f"the endpoint {self.name} does not answer: {self._last}",
            hint="what was answered so far is kept; the next attempt goes on from there",
        )
