"""A listening socket with its certificate and the connections that came in through it."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Callable
from email.utils import formatdate
from typing import Any, cast

from uvicorn.config import Config
from uvicorn.server import ServerState

from loopwright.errors import GatewayError
from loopwright.gateway.connections import Connection
from loopwright.gateway.settings import Limits, Settings, Tls

_TICK = 0.25
_KEEP_ALIVE = 75
_BACKLOG = 2048
_ABORTED_WITHIN = 1.0


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach `host`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Listener:
    """Serves `app` at one address until closed. `limits` is asked anew for every request."""

    def __init__(self, app: Any, *, limits: Callable[[], Limits]) -> None:
        self._limits = limits
        self._state = ServerState()
        self._config = Config(
            app, http=Connection, ws="none", lifespan="off", interface="asgi3", log_config=None,
            access_log=False, server_header=False, proxy_headers=False, backlog=_BACKLOG,
            timeout_keep_alive=_KEEP_ALIVE,
        )  # fmt: skip
        self._config.load()
        self._asked = ("", 0)
        self._tls: ssl.SSLContext | None = None
        self._server: asyncio.Server | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def address(self) -> tuple[str, int]:
        """Host and port that are listened on; the port is known when 0 was asked for."""
        if self._server is None:
            return self._asked
        host, port = self._server.sockets[0].getsockname()[:2]
        return host, port

    @property
    def connections(self) -> int:
        return len(self._state.connections)

    async def open(self, settings: Settings) -> None:
        """Listen. Raises GatewayError when the address or the certificate cannot be used."""
        self._asked = (settings.host, settings.port)
        self._tls = _context(settings.tls) if settings.tls else None
        self._server = await self._serving(_bound(settings.host, settings.port))
        self._tick()

    def serves(self, settings: Settings) -> bool:
        """Whether this is the address that `settings` ask for, with or without TLS alike."""
        same = self._asked == (settings.host, settings.port)
        return same and (self._tls is None) == (settings.tls is None)

    def renew(self, tls: Tls) -> None:
        """Use another certificate for new connections. Raises GatewayError, changing nothing."""
        _context(tls)  # a certificate that does not fit its key is found here
        if self._tls is not None:
            self._tls.load_cert_chain(tls.cert, tls.key, password="")

    async def handed_on(self, settings: Settings) -> Listener:
        """Another listener on the same socket, for when TLS is switched on or off."""
        other = Listener(self._config.app, limits=self._limits)
        other._asked = self._asked
        other._tls = _context(settings.tls) if settings.tls else None
        if self._server is None:
            raise GatewayError("the gateway's socket is closed already")
        sock = socket.socket(fileno=self._server.sockets[0].fileno())
        try:
            other._server = await other._serving(sock.dup())
        finally:
            sock.detach()
        other._tick()
        return other

    async def drain(self, seconds: float) -> None:
        """Take no new connections, let calls end for `seconds`, then break off what is left."""
        if self._server is not None:
            self._server.close()
        for connection in list(self._state.connections):
            connection.shutdown()
        if self._state.tasks:
            await asyncio.wait(list(self._state.tasks), timeout=seconds)
        await self._break_off()
        if self._timer is not None:
            self._timer.cancel()
        self._server = None

    async def _break_off(self) -> None:
        for connection in list(self._state.connections):
            cast(Connection, connection).cut_off()
        if self._state.tasks:
            await asyncio.wait(list(self._state.tasks), timeout=_ABORTED_WITHIN)
        await asyncio.sleep(0)  # transports say goodbye in the loop's next round

    async def _serving(self, sock: socket.socket) -> asyncio.Server:
        loop = asyncio.get_running_loop()

        def connection() -> Connection:
            return Connection(self._config, self._state, limits=self._limits, loop=loop)

        return await loop.create_server(connection, sock=sock, ssl=self._tls, backlog=_BACKLOG)

    def _tick(self) -> None:
        """Now and then: the Date header, and connections whose client is late."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._state.default_headers = [(b"date", formatdate(usegmt=True).encode())]
        for connection in list(self._state.connections):
            cast(Connection, connection).hurry(now)
        self._timer = loop.call_later(_TICK, self._tick)


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise GatewayError(
            f"cannot listen on {host}:{port}: {error.strerror or error}",
            hint="Another program may hold the address: change gateway.listen in loopwright.yaml.",
        ) from error


def _context(tls: Tls) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(tls.cert, tls.key, password="")  # never ask at a terminal
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise GatewayError(
            f"cannot use the certificate {tls.cert} with the key {tls.key}: {error}",
            hint="Both are PEM files; the certificate file holds the chain, the server's first.",
        ) from error
    return context
