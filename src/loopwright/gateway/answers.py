"""What an upstream answered, gathered while it passes by: one body, or a stream of events.

Holds bytes until the call is over, then gives the answer as JSON. Never touches what the client
gets, and bounds what it keeps.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

import orjson

from loopwright.gateway.reassembly import LARGEST_STREAM, StreamAssembly

LARGEST_ANSWER = LARGEST_STREAM
_EVENTS = "text/event-stream"
_EVENT_STARTS = (b"data:", b"event:", b":", b"\xef\xbb\xbfdata:")
_ZIPPED = frozenset({"gzip", "x-gzip", "deflate"})
_UNPACKED_AT_ONCE = 1 << 20
_GZIP_OR_ZLIB = zlib.MAX_WBITS | 32


@dataclass(frozen=True, slots=True)
class Said:
    """An answer as JSON: `value` parsed, and `raw`, the same bytes where they came as JSON.

    `size` is about how many bytes it has.
    """

    value: Any
    raw: bytes | None = None
    size: int = 0


class Answer:
    """Gathers one answer, as its headers describe it; keeps `limit` bytes of it.

    `bytes` came in all, unpacked.
    """

    def __init__(
        self, content_type: str, content_encoding: str = "", *, limit: int = LARGEST_ANSWER
    ) -> None:
        self.bytes = 0
        self._limit = limit
        self._pieces: list[bytes] = []
        self._is_truncated = False
        is_stream = content_type.lower().startswith(_EVENTS)
        self._stream = StreamAssembly(limit=limit) if is_stream else None
        encoding = content_encoding.strip().lower()
        self._unzip = zlib.decompressobj(_GZIP_OR_ZLIB) if encoding in _ZIPPED else None
        is_readable = self._unzip is not None or encoding in ("", "identity")
        self._unreadable = "" if is_readable else encoding

    def add(self, data: bytes) -> None:
        """Some more of it, as it went to the client."""
        if self._unzip is None:
            self._keep(data)
            return
        try:
            while data and not (self._is_truncated and self._stream is None):
                self._keep(self._unzip.decompress(data, _UNPACKED_AT_ONCE))
                data = self._unzip.unconsumed_tail
        except zlib.error:
            self._unreadable = "damaged"

    def _keep(self, data: bytes) -> None:
        room = self._limit - self.bytes
        self.bytes += len(data)
        if self._unreadable:
            return
        if self._stream is not None:
            self._stream.feed(data)  # bounds itself, and goes on looking for the counts at the end
            return
        self._is_truncated = self._is_truncated or len(data) > room
        if data and room > 0:
            self._pieces.append(data[:room])

    def finish(self, *, ended_well: bool) -> Said:
        """The answer. Its JSON says `partial` when it is not whole, `truncated` when we cut it."""
        if self._unreadable:
            return Said({"unreadable": self._unreadable, "bytes": self.bytes})
        body = b"".join(self._pieces)
        if self._stream is None and body[:64].lstrip().startswith(_EVENT_STARTS):
            self._stream = StreamAssembly(limit=self._limit)  # its sender called it something else
            self._stream.feed(body)
        if self._stream is not None:
            return self._marked(self._stream.finish(ended_well=ended_well))
        try:
            value = orjson.loads(body)
        except orjson.JSONDecodeError:
            value = {"text": body.decode("utf-8", "backslashreplace")} if body else {}
            return self._marked(value if ended_well else {**value, "partial": True})
        return Said(value, body, self.bytes)

    def _marked(self, value: dict[str, Any]) -> Said:
        return Said({**value, "truncated": True} if self._is_truncated else value, None, self.bytes)
