"""POST to upstreams: connections that are kept open, made when needed, given back when free.

A client of its own because the gateway's CPU time is its client's: aiohttp's takes two thirds of a
call. What is not needed to ask an upstream (cookies, redirects, proxies, other methods, unpacking)
is not here.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from urllib.parse import urlsplit

from loopwright.errors import GatewayError
from loopwright.gateway.upstream_connection import Reply, UpstreamConnection

_IDLE_SECONDS = 15.0
_PORTS = {"http": 80, "https": 443}


class NoConnectionError(Exception):
    """No connection to the upstream came about: it cannot have acted on anything."""

    def __init__(self, reason: BaseException) -> None:
        super().__init__(f"no connection: {reason or type(reason).__name__}")
        self.is_late = isinstance(reason, TimeoutError)


@dataclass(frozen=True, slots=True)
class Place:
    """Where an upstream listens."""

    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> Place:
        """Raises GatewayError when `url` is not an http or https address."""
        try:
            parts = urlsplit(url)
            port = parts.port or _PORTS[parts.scheme]
        except (ValueError, KeyError) as error:
            raise GatewayError(f"{url} is not the address of an upstream") from error
        if not parts.hostname:
            raise GatewayError(f"{url} is not the address of an upstream: it names no host")
        return cls(parts.scheme, parts.hostname, port)

    @property
    def authority(self) -> str:
        """As the Host header has it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds: to connect, and until the first byte of an answer."""

    connect: float
    first_byte: float


@dataclass(slots=True)
class _Idle:
    """Free connections to one place, the last used at the right."""

    free: deque[UpstreamConnection] = field(default_factory=deque)

    def take(self, now: float) -> UpstreamConnection | None:
        while self.free:
            connection = self.free.pop()
            if connection.is_open and now - connection.free_since < _IDLE_SECONDS:
                return connection
            connection.close()
        return None

    def put(self, connection: UpstreamConnection) -> None:
        self.free.append(connection)
        while connection.free_since - self.free[0].free_since > _IDLE_SECONDS:
            self.free.popleft().close()


class UpstreamClient:
    """One pool of connections to all upstreams: as many at once as ask. Belongs to one loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._idle: dict[Place, _Idle] = {}
        self._open: set[UpstreamConnection] = set()

    async def post(
        self, place: Place, path: str, *, headers: Mapping[str, str], body: bytes, times: Times
    ) -> Reply:
        """The head of the answer. `headers` come from a parser or from settings: no line breaks.

        Raises NoConnectionError; BrokenAnswerError; TimeoutError when no answer begins in time.
        """
        lines = [f"{name}: {value}\r\n" for name, value in headers.items()]
        head = (
            f"POST {path} HTTP/1.1\r\nhost: {place.authority}\r\n{''.join(lines)}"
            f"content-length: {len(body)}\r\n\r\n"
        )
        idle = self._idle.get(place)
        connection = idle.take(self._loop.time()) if idle else None
        if connection is None:
            connection = await self._connected(place, times.connect)
        return await connection.ask(head.encode() + body, first_byte=times.first_byte)

    async def close(self) -> None:
        """Close every connection, and wait until they are."""
        for connection in list(self._open):
            connection.transport.abort()
        while self._open:
            await asyncio.sleep(0.001)

    async def _connected(self, place: Place, seconds: float) -> UpstreamConnection:
        idle = self._idle.setdefault(place, _Idle())
        connection = UpstreamConnection(self._loop, on_free=idle.put, on_lost=self._open.discard)
        try:
            async with asyncio.timeout(seconds):
                await self._loop.create_connection(
                    lambda: connection,
                    place.host,
                    place.port,
                    ssl=self._tls if place.scheme == "https" else None,
                )
        except (OSError, TimeoutError, UnicodeError) as error:  # the last: no such name can be
            raise NoConnectionError(error) from error
        if connection.is_open:  # it may have gone again before we got to it
            self._open.add(connection)
        return connection

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context()
