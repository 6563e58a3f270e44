"""Messages between a query's child and its parent: length first, then a note or rows.

Rows travel as an Arrow stream of their own each, so that whoever reads them needs nothing before
them. No process is started or ended here.
"""

from __future__ import annotations

import os
import select
import struct
import threading
import time
from typing import Any, NamedTuple

import orjson
import pyarrow as pa

_HEAD = struct.Struct(">cQ")
_CHUNK = 1 << 20
NOTE = b"N"
ROWS = b"R"


class Frame(NamedTuple):
    """One message: a NOTE with JSON, or ROWS with an Arrow stream."""

    kind: bytes
    data: bytearray

    @property
    def note(self) -> dict[str, Any]:
        found: dict[str, Any] = orjson.loads(self.data)
        return found

    @property
    def rows(self) -> pa.Table:
        return pa.ipc.open_stream(pa.py_buffer(self.data)).read_all()


class Sender:
    """The child's end. Notes and rows may come from several threads."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lock = threading.Lock()

    def note(self, facts: dict[str, Any]) -> None:
        self._send(NOTE, memoryview(orjson.dumps(facts)))

    def rows(self, batch: pa.RecordBatch) -> None:
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, batch.schema) as stream:
            stream.write_batch(batch)
        self._send(ROWS, memoryview(sink.getvalue()))

    def _send(self, kind: bytes, data: memoryview) -> None:
        with self._lock:
            self._write(memoryview(_HEAD.pack(kind, data.nbytes)))
            self._write(data)

    def _write(self, data: memoryview) -> None:
        while data:
            data = data[os.write(self._descriptor, data) :]


class TimeUpError(Exception):
    """The other side did not answer in time."""


class Receiver:
    """The parent's end, which waits until `deadline` (of the monotonic clock) and no longer."""

    def __init__(self, descriptor: int, *, deadline: float | None) -> None:
        self._descriptor = descriptor
        self._deadline = deadline
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLIN | select.POLLHUP)

    def receive(self) -> Frame | None:
        """The next frame; None when the other side is gone. Raises TimeUpError."""
        head = self._read(_HEAD.size)
        if len(head) < _HEAD.size:
            return None
        kind, size = _HEAD.unpack(head)
        data = self._read(size)
        return Frame(kind, data) if len(data) == size else None

    def _read(self, size: int) -> bytearray:
        """As many bytes, or fewer where the stream ends."""
        found = bytearray()
        while len(found) < size:
            self._wait()
            data = os.read(self._descriptor, min(size - len(found), _CHUNK))
            if not data:
                break
            found += data
        return found

    def _wait(self) -> None:
        left = None if self._deadline is None else self._deadline - time.monotonic()
        if left is not None and left <= 0:
            raise TimeUpError
        if not self._poll.poll(None if left is None else left * 1000):
            raise TimeUpError
