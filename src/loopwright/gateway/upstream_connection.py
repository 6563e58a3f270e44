"""One connection to an upstream: a question is written, its answer given on as it comes in.

HTTP/1.1 by the parser that also reads our clients (httptools); no pool, no names, no meaning.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import cast

import httptools

_MUCH = 256 << 10  # bytes that wait for a slow client before the upstream has to wait, too
_LONGEST_HEAD = 64 << 10
_INTERIM = 200

RawHeaders = list[tuple[bytes, bytes]]


class BrokenAnswerError(Exception):
    """The upstream went away in the middle of its answer, or what it said is no HTTP."""


class Reply:
    """An answer whose head has arrived. Its body is read with `some` until `is_ended`."""

    def __init__(self, connection: UpstreamConnection) -> None:
        self.status = 0
        self.raw_headers: RawHeaders = []
        self._connection = connection
        self._pieces: deque[bytes] = deque()
        self._size = 0
        self._is_complete = False
        self._failure: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None

    def header(self, name: bytes) -> str:
        """The value of the first header of this lower-case name, or nothing."""
        for found, value in self.raw_headers:
            if found == name:
                return value.decode("latin-1")
        return ""

    @property
    def is_ended(self) -> bool:
        """Whether all of the body was read."""
        return self._is_complete and not self._pieces

    @property
    def is_full(self) -> bool:
        """Whether the upstream has to wait for our client."""
        return self._size > _MUCH

    async def some(self) -> bytes:
        """What is there by now, at least a byte; nothing only at the end.

        Raises BrokenAnswerError, and TimeoutError when the upstream falls silent.
        """
        while not self._pieces and not self._is_complete:
            await self._more()
        data = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        if self.is_full and not self._is_complete:
            self._connection.go_on()
        self._size = 0
        return data

    async def whole(self) -> bytes:
        """All that is left of the body. Raises as `some` does."""
        parts: list[bytes] = []
        while not self.is_ended:
            parts.append(await self.some())
        return b"".join(parts)

    def idle_after(self, seconds: float) -> None:
        """From now on the upstream may be silent for so long."""
        if not self._is_complete:
            self._connection.patience(seconds)

    def close(self) -> None:
        """Leave: an answer that is still coming in is broken off."""
        if not self._is_complete:
            self._connection.transport.abort()

    def add(self, data: bytes) -> None:
        self._pieces.append(data)
        before, self._size = self._size, self._size + len(data)
        if before <= _MUCH < self._size:
            self._connection.transport.pause_reading()
        self.wake()

    def end(self, failure: Exception | None = None) -> None:
        """The answer is complete, or will never be."""
        if failure is None:
            self._is_complete = True
        elif not self._is_complete and self._failure is None:
            self._failure = failure
        self.wake()

    def wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    async def head(self) -> None:
        """Wait for the head. Raises when the answer has failed before anything of its body."""
        while not self.status:
            await self._more()
        if self._failure is not None and not self._pieces:
            raise self._failure

    async def _more(self) -> None:
        if self._failure is not None:
            raise self._failure
        self._waiter = asyncio.get_running_loop().create_future()
        await self._waiter


class UpstreamConnection(asyncio.Protocol):
    """`on_free` is told when it can take another question, `on_lost` when it is closed."""

    transport: asyncio.Transport

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        on_free: Callable[[UpstreamConnection], None],
        on_lost: Callable[[UpstreamConnection], None],
    ) -> None:
        self.is_open = False
        self.free_since = 0.0
        self._loop, self._on_free, self._on_lost = loop, on_free, on_lost
        self._parser = httptools.HttpResponseParser(self)
        self._reply: Reply | None = None
        self._headers: RawHeaders = []
        self._head_bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._patience = 0.0
        self._heard = 0.0

    async def ask(self, question: bytes, *, first_byte: float) -> Reply:
        """Write a request and wait for the answer's head, `first_byte` seconds for its beginning.

        Raises BrokenAnswerError and TimeoutError.
        """
        if not self.is_open:
            raise BrokenAnswerError("the connection was closed")
        reply = self._reply = Reply(self)
        self._headers, self._head_bytes = [], 0
        self._heard = self._loop.time()
        self.patience(first_byte)
        self.transport.write(question)
        try:
            await reply.head()
        except BaseException:
            self.transport.abort()
            raise
        return reply

    def patience(self, seconds: float) -> None:
        """How long the upstream may be silent."""
        self._patience = seconds
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(seconds, self._check)

    def go_on(self) -> None:
        """Our client caught up: read again, and count the silence from now."""
        self._heard = self._loop.time()
        self.transport.resume_reading()

    def close(self) -> None:
        """Close it; an answer that is still coming in is broken off."""
        if self._reply is None:
            self.transport.close()
        else:
            self.transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.is_open = True

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_open = False
        self._on_lost(self)
        self._stop_waiting()
        reply, self._reply = self._reply, None
        if reply is None:
            return
        if exc is None and reply.status and _ends_with_the_connection(reply):
            reply.end()
        else:
            reply.end(BrokenAnswerError("the connection was closed"))

    def data_received(self, data: bytes) -> None:
        self._heard = self._loop.time()
        try:
            if self._reply is None:
                raise BrokenAnswerError("it spoke without being asked")
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade, BrokenAnswerError):
            self._fail(BrokenAnswerError("what it said is no HTTP"))

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_bytes += len(name) + len(value)
        if self._head_bytes > _LONGEST_HEAD:
            raise BrokenAnswerError("its headers are too long")
        self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if self._reply is None:
            raise BrokenAnswerError("it answered twice")
        if status >= _INTERIM:
            self._reply.raw_headers, self._reply.status = self._headers, status
            self._reply.wake()
        self._headers = []

    def on_body(self, data: bytes) -> None:
        if self._reply is not None:
            self._reply.add(data)

    def on_message_complete(self) -> None:
        reply = self._reply
        if reply is None or not reply.status:
            return  # an interim answer
        self._reply = None
        self._stop_waiting()
        if reply.is_full:
            self.transport.resume_reading()
        reply.end()
        if self._parser.should_keep_alive():
            self.free_since = self._loop.time()
            self._on_free(self)
        else:
            self.transport.close()

    def _check(self) -> None:
        """Fires when the patience may be over; what came in between has put it off."""
        if self._reply is None:
            return
        left = self._heard + self._patience - self._loop.time()
        if self._reply.is_full:  # it is us who do not listen
            left = self._patience
        if left > 0:
            self._timer = self._loop.call_later(left, self._check)
        else:
            self._fail(TimeoutError("the upstream is silent"))

    def _fail(self, failure: Exception) -> None:
        reply, self._reply = self._reply, None
        self.is_open = False
        self._stop_waiting()
        self.transport.abort()
        if reply is not None:
            reply.end(failure)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _ends_with_the_connection(reply: Reply) -> bool:
    """Neither a length nor chunks tell where the body ends."""
    return not (reply.header(b"content-length") or reply.header(b"transfer-encoding"))
