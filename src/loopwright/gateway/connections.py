"""One client's connection: uvicorn's, plus bounds on what a slow, huge or broken client may cost.

Knows bytes, times and when the client went away. What is asked and answered is the app's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from loopwright.gateway.headers import CALL_ID
from loopwright.gateway.identifiers import uuid7
from loopwright.gateway.refusals import RefusalError
from loopwright.gateway.settings import Limits

SCOPE_KEY = "loopwright.connection"
"""Where the app finds the connection in its scope."""

_SLOWEST_BODY = 16 << 10
"""Bytes a second that a client must manage while it sends a body."""
_LONGEST_STALL = 120.0
"""Seconds that a client may leave its answer waiting."""


class HeldTransport:
    """A transport whose writes can be held back for a moment, so that they go out together.

    The head of an answer and its first bytes are then one call of the kernel instead of two.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop = transport, loop
        self._held: list[bytes] | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def hold(self) -> None:
        """Hold what is written until `flush`, or until the loop's next round."""
        if self._held is None:
            self._held = []
            self._loop.call_soon(self.flush)

    def flush(self) -> None:
        held, self._held = self._held, None
        if held and not self._transport.is_closing():
            self._transport.write(b"".join(held))

    def write(self, data: bytes) -> None:
        if self._held is None:
            self._transport.write(data)
        else:
            self._held.append(data)

    def close(self) -> None:
        self.flush()
        self._transport.close()

    def abort(self) -> None:
        self._held = None
        self._transport.abort()


class Connection(HttpToolsProtocol):
    """`watch` is called once when the client goes away while its call runs."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        *,
        limits: Callable[[], Limits],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        super().__init__(config, server_state, {}, loop)
        self._limits = limits
        self.watch: Callable[[], None] | None = None
        self.is_cut_off = False
        """Whether it is the gateway that ended it, because it is leaving."""
        self._due: float | None = None  # when the request that is coming in has to be here
        self._stuck_since: float | None = None
        self._in_head = True
        self._head_bytes = 0  # of a head that is not whole yet
        self._fed = 0

    # uvicorn says the narrower type, too: a server only ever gets a two-way transport.
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.held = HeldTransport(transport, self.loop)
        self.transport = cast(asyncio.Transport, self.held)
        limits = self._limits()
        self._due = self.loop.time() + limits.header_seconds
        if len(self.connections) > limits.connections:
            self._refuse(503, "There are too many connections.", "overloaded")

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._unset_keepalive_if_required()
        watch, self.watch, self._due = self.watch, None, None
        if watch is not None:
            watch()

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        self._fed = len(data)
        super().data_received(data)
        self._head_bytes = self._head_bytes + self._fed if self._in_head else 0
        if self._head_bytes > self._limits().header_bytes:
            self._refuse_head()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        cast(dict[str, Any], self.scope)[SCOPE_KEY] = self
        self._in_head = True
        if self._due is None:
            self._due = self.loop.time() + self._limits().header_seconds

    def on_headers_complete(self) -> None:
        self._in_head = False
        limits = self._limits()
        if self._head_bytes + self._fed > limits.header_bytes and self._head > limits.header_bytes:
            self._refuse_head()
            return
        self._due = self.loop.time() + limits.header_seconds
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        if self._due is not None:
            self._due += len(body) / _SLOWEST_BODY
        if self.cycle is not None:
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._due = None
        if self.cycle is not None:
            super().on_message_complete()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stuck_since = self.loop.time()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stuck_since = None

    def hurry(self, now: float) -> None:
        """End the connection when the client is late with its request, or takes no answer."""
        if self._stuck_since is not None and now > self._stuck_since + _LONGEST_STALL:
            self.abort()
        if self._due is None or now <= self._due:
            return
        if self.flow.read_paused:  # it is us who do not read
            self._due = now + self._limits().header_seconds
        else:
            self._refuse(408, "The request did not arrive in time.", "request_timeout")

    def cut_off(self) -> None:
        """End it while its call still runs."""
        self.is_cut_off = True
        self.abort()

    def abort(self) -> None:
        """Break off, so that the client sees that its answer is not whole."""
        if self.cycle is not None:
            self.cycle.disconnected = True
        self.transport.abort()

    def send_400_response(self, msg: str) -> None:
        self._refuse(400, msg, "invalid_http")

    @property
    def _head(self) -> int:
        lines = [len(name) + len(value) + 4 for name, value in self.headers]
        return len(self.url) + sum(lines)

    @property
    def _can_answer(self) -> bool:
        """Whether the next bytes to the client belong to the request that is coming in."""
        cycle = self.cycle
        if cycle is None or cycle.response_complete:
            return True
        return cycle.more_body and not cycle.response_started and not self.pipeline

    def _refuse_head(self) -> None:
        self._refuse(431, "The request's headers are too large.", "headers_too_large")

    def _refuse(self, status: int, message: str, code: str) -> None:
        """Answer without the app, and close. Where another answer is due first: break off."""
        if self.transport.is_closing():
            return
        if not self._can_answer:
            self.abort()
            return
        body = RefusalError(status, message, code=code).body
        head = (
            f"content-type: application/json\r\nconnection: close\r\n{CALL_ID}: {uuid7()}\r\n"
            f"content-length: {len(body)}\r\n\r\n"
        )
        self.transport.write(b"".join([STATUS_LINE[status], head.encode(), body]))
        self.transport.close()
