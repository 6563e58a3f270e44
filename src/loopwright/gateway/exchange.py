"""One request and its answer over ASGI: reading within bounds, writing, going away.

No routing and no upstreams; what is answered is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from loopwright.gateway import refusals
from loopwright.gateway.connections import SCOPE_KEY, Connection
from loopwright.gateway.refusals import RefusalError

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

_LINE = b"\n"  # no header holds one
_JSON = ("content-type", "application/json")


class ClientGoneError(Exception):
    """The client went away before its request was whole."""


class Exchange:
    """What the parts of the gateway see of one HTTP request, and how they answer it."""

    __slots__ = ("_headers", "_receive", "_send", "connection", "method", "path", "scope", "sent",
                 "status")  # fmt: skip

    def __init__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        self.scope = scope
        self._receive, self._send = receive, send
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.connection: Connection = scope[SCOPE_KEY]
        self._headers: dict[str, str] | None = None
        self.status = 0  # of the answer; 0 until it begins
        self.sent = 0  # bytes of the answer's body

    @property
    def headers(self) -> dict[str, str]:
        """Lower-case names; what came more than once is joined as HTTP says."""
        if self._headers is None:
            self._headers = self._read_headers()
        return self._headers

    def _read_headers(self) -> dict[str, str]:
        raw = self.scope["headers"]
        names = _LINE.join([name for name, _ in raw]).decode("latin-1").split("\n")
        values = _LINE.join([value for _, value in raw]).decode("utf-8", "replace").split("\n")
        pairs = list(zip(names, values, strict=True))
        found = dict(pairs)
        if len(found) < len(pairs):
            found = {}
            for name, value in pairs:
                found[name] = f"{found[name]}, {value}" if name in found else value
        return found

    async def body(self, limit: int) -> bytes:
        """The whole request body. Raises RefusalError 413 above `limit` bytes, ClientGoneError."""
        if int(self.headers.get("content-length", 0)) > limit:
            raise refusals.too_large(limit)
        parts: list[bytes] = []
        length = 0
        more = True
        while more:
            message = await self._receive()
            if message["type"] != "http.request":
                raise ClientGoneError
            part: bytes = message["body"]
            more = message["more_body"]
            length += len(part)
            if length > limit:
                raise refusals.too_large(limit)
            parts.append(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def start(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> None:
        self.status = status
        self.connection.held.hold()
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def write(self, data: bytes, *, more: bool) -> None:
        """Returns when the client may be given more; at once when it is gone."""
        self.sent += len(data)
        await self._send({"type": "http.response.body", "body": data, "more_body": more})
        self.connection.held.flush()

    async def answer(
        self, status: int, body: bytes, headers: Iterable[tuple[str, str]] = (_JSON,)
    ) -> None:
        """A whole answer at once."""
        told = (*headers, ("content-length", str(len(body))))
        await self.start(status, encoded(told))
        await self.write(body, more=False)

    async def refuse(self, refusal: RefusalError, headers: Iterable[tuple[str, str]] = ()) -> None:
        """Answer with an error; break off when an answer is under way already."""
        if self.status:
            self.connection.abort()
            return
        closing = (("connection", "close"),) if refusal.closes else ()
        told = (_JSON, *headers, *refusal.headers, *closing)
        await self.answer(refusal.status, refusal.body, told)


def encoded(headers: Iterable[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    """Headers as ASGI wants them."""
    return [(name.encode("latin-1"), value.encode("utf-8")) for name, value in headers]
