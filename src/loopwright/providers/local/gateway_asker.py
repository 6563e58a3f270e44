"""Asks an endpoint of the project through its gateway, whichever daemon serves it now.

A daemon that died is started by the next pass, at another port and with other keys.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from loopwright.daemon.access import Access
from loopwright.inference.client import Client, Reply, Server

_LOOK_SECONDS = 0.5
_INNER_PATIENCE = 5.0
_UNKNOWN_KEY = 401
_AWAY = "no daemon of this project serves its endpoints"


class GatewayAsker:
    """One endpoint. Use as an asynchronous context manager, in one event loop."""

    def __init__(
        self, endpoint: str, find: Callable[[], Access | None], *, patience: float
    ) -> None:
        """`find` gives the gateway as it is now; one that is away is waited for `patience`
        seconds by each question."""
        self._endpoint, self._find, self._patience = endpoint, find, patience
        self._open = AsyncExitStack()
        self._access: Access | None = None
        self._client: Client | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._open.aclose()

    async def ask(self, path: str, request: Mapping[str, Any]) -> Reply:
        """As `Client.ask`. A gateway that is not found to the end is a reply of status 0."""
        loop = asyncio.get_running_loop()
        since: float | None = None
        while True:
            client = self._client or await self._found()
            reply = await client.ask(path, request) if client else Reply(0, None, _AWAY)
            if reply.status not in (0, _UNKNOWN_KEY):
                return reply
            since = loop.time() if since is None else since
            if loop.time() - since > self._patience:
                return replace(reply, status=0)
            await asyncio.sleep(_LOOK_SECONDS)
            await self._found()

    async def _found(self) -> Client | None:
        """A client of the gateway as it is now; earlier ones stay open for who uses them."""
        access = self._find()
        if access is None or access == self._access:
            return self._client
        server = Server(
            access.url, self._endpoint, access.key, insecure_loopback=access.insecure_loopback
        )
        client = await self._open.enter_async_context(
            Client(server, patience=min(_INNER_PATIENCE, self._patience))
        )
        self._access, self._client = access, client
        return client
