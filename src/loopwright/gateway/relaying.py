"""An upstream's answer on its way to the client: at once, unchanged, no faster than it is read.

Also what the client is told when the answer breaks off in the middle.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from time import perf_counter

import orjson

from loopwright.gateway.capturing import Recording
from loopwright.gateway.exchange import Exchange
from loopwright.gateway.forwarding import Asked
from loopwright.gateway.headers import downward
from loopwright.gateway.notes import Notes
from loopwright.gateway.upstream_connection import BrokenAnswerError

RawHeaders = list[tuple[bytes, bytes]]
Seal = Callable[[str], Awaitable[None]]
"""Records the call with this outcome. Returns when the record is durable."""

_EVENTS = "text/event-stream"
_EVENT_ENDS = (b"\n\n", b"\r\n\r\n", b"\r\r")
_BROKEN = (BrokenAnswerError, TimeoutError)


class Relay:
    """One answer. With `seal` its last byte is held back until the call is recorded."""

    def __init__(
        self, exchange: Exchange, asked: Asked, recording: Recording, notes: Notes
    ) -> None:
        self._exchange, self._reply = exchange, asked.reply
        self._recording, self._notes = recording, notes
        self._idle = asked.target.upstream.timeouts.idle
        self._last = b""

    async def run(self, headers: RawHeaders, *, seal: Seal | None) -> str:
        """Relay all of it; returns the outcome. Raises CaptureError when `seal` does."""
        reply = self._reply
        told = downward(reply.raw_headers) + headers
        reply.idle_after(self._idle)
        outcome = "ok" if reply.status < 400 else "upstream_error"
        try:
            if seal is None:
                await self._exchange.start(reply.status, told)
                await self._pass_on()
            elif self._is_stream:
                told = [header for header in told if header[0] != b"content-length"]
                await self._exchange.start(reply.status, told)
                await self._pass_on(closes=False)
                await seal(outcome)
                await self._exchange.write(b"", more=False)
            else:
                await self._whole(told, seal, outcome)
        except _BROKEN as failure:
            return await self._broken_off(failure)
        return outcome

    @property
    def _is_stream(self) -> bool:
        return self._reply.header(b"content-type").lower().startswith(_EVENTS)

    @property
    def _takes_an_event(self) -> bool:
        """Whether the client, reading on, would understand an event from us."""
        reply = self._reply
        is_bound = reply.header(b"content-encoding") or reply.header(b"content-length")
        is_between = not self._last or self._last.endswith(_EVENT_ENDS)
        return self._is_stream and is_between and not is_bound and self._exchange.status > 0

    async def _pass_on(self, *, closes: bool = True) -> None:
        reply, exchange, recording = self._reply, self._exchange, self._recording
        is_last = False
        while not is_last:
            data = await reply.some()
            is_last = reply.is_ended
            if data or (is_last and closes):
                await exchange.write(data, more=not (is_last and closes))
            if data:
                if self._notes.first is None:
                    self._notes.first = perf_counter()
                recording.chunk(data)
                self._last = data

    async def _whole(self, headers: RawHeaders, seal: Seal, outcome: str) -> None:
        body = await self._reply.whole()
        self._recording.chunk(body)
        await seal(outcome)
        await self._exchange.start(self._reply.status, headers)
        await self._exchange.write(body, more=False)

    async def _broken_off(self, failure: Exception) -> str:
        """Between two events the client is told with an event; else by the broken connection."""
        is_late = isinstance(failure, TimeoutError)
        if self._takes_an_event:
            event = _error_event(is_late=is_late)
            self._recording.chunk(event)
            await self._exchange.write(event, more=False)
        else:
            self._exchange.connection.abort()
        return "timeout" if is_late else "upstream_error"


def _error_event(*, is_late: bool) -> bytes:
    """As OpenAI's streams tell of an error; the official clients raise APIError."""
    message = "The upstream stopped in the middle of its answer."
    code = "upstream_timeout" if is_late else "upstream_broke"
    error = {"message": message, "type": "upstream_error", "param": None, "code": code}
    return b"data: " + orjson.dumps({"error": error}) + b"\n\n"
