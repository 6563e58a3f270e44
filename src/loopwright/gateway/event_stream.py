"""Server-sent events, from bytes in any pieces to the data of each event.

Follows the WHATWG parsing rules as far as upstreams use them. No JSON, no meaning.
"""

from __future__ import annotations

LONGEST_EVENT = 16 << 20
_BOM = b"\xef\xbb\xbf"


Event = tuple[bytes, bytes]
"""The `data` of one event, its lines joined, and its name, empty where it has none."""


class EventParser:
    """Takes a stream piece by piece; a piece may end anywhere, even within CR LF.

    An event of more than `longest` bytes is left out and counted in `overlong`.
    """

    def __init__(self, *, longest: int = LONGEST_EVENT) -> None:
        self.overlong = 0
        self._longest = longest
        self._waiting = bytearray()
        self._begun = False
        self._after_cr = False
        self._skipping = False

    def feed(self, data: bytes) -> list[Event]:
        """The events that are whole with this piece."""
        waiting = self._waiting
        searched = max(0, len(waiting) - 1)
        waiting += self._with_newlines(data)
        if not self._begun and len(waiting) >= len(_BOM):
            self._begun = True
            if waiting.startswith(_BOM):
                del waiting[: len(_BOM)]
                searched = 0
        end = waiting.rfind(b"\n\n", searched)
        if end < 0:
            self._bound()
            return []
        blocks = bytes(waiting[:end]).split(b"\n\n")
        del waiting[: end + 2]
        self._bound()
        return self._events(blocks)

    def finish(self) -> list[Event]:
        """What the stream ended with, when its last event lacks the empty line after it."""
        block = bytes(self._waiting).removeprefix(_BOM).rstrip(b"\n")
        self._waiting.clear()
        return self._events([block])

    def _with_newlines(self, data: bytes) -> bytes:
        """The same lines, each ended by a newline alone."""
        if not data:
            return data
        if self._after_cr and data[0] == 0x0A:
            data = data[1:]
            self._after_cr = False
            if not data:
                return data
        self._after_cr = data[-1] == 0x0D
        if b"\r" in data:
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        return data

    def _bound(self) -> None:
        if len(self._waiting) <= self._longest:
            return
        del self._waiting[:-1]  # the end of the event may begin with the last byte
        if not self._skipping:
            self._skipping = True
            self.overlong += 1

    def _events(self, blocks: list[bytes]) -> list[Event]:
        if self._skipping:
            del blocks[0]
            self._skipping = False
        found: list[Event] = []
        for block in blocks:
            if len(block) > self._longest:
                self.overlong += 1
            elif block.startswith(b"data: ") and b"\n" not in block:
                found.append((block[6:], b""))
            elif (event := _parsed(block)) is not None:
                found.append(event)
        return found


def _parsed(block: bytes) -> Event | None:
    """An event that is more than one line of data; None for comments and other silence."""
    data, name = [], b""
    for line in block.split(b"\n"):
        field, _, value = line.partition(b":")
        if field == b"data":
            data.append(value.removeprefix(b" "))
        elif field == b"event":
            name = value.removeprefix(b" ")
    return (b"\n".join(data), name) if data else None
