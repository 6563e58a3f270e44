"""An append-only file of JSON lines that several processes share and that survives kills.

One event is one `write`; what was left half-written, by a kill or a full disk, is not read and
is cut off by the next event.
Knows nothing of what the events mean.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from errno import ENOSPC
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from loopwright.errors import PermanentError


class News(NamedTuple):
    """Events since the last look. `from_start`: forget what was known before."""

    events: list[Any]
    from_start: bool


class LineFile:
    """Reads never lock and never create the file; writes happen under `locked`.

    Everything raises PermanentError when the file system refuses or the file holds no JSON lines.
    """

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self._data = -1
        self._inode = -1
        self._offset = 0
        self._lock = -1

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the writers' lock, which all processes share. Not to be nested."""
        with self._explained():
            if self._lock < 0:
                os.makedirs(os.path.dirname(self.path) or ".", exist_ok=True)
                self._lock = os.open(f"{self.path}.lock", os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._lock, fcntl.LOCK_UN)

    def news(self) -> News:
        """Whole lines that were not yet read; a line without its end is left alone."""
        with self._explained():
            try:
                found = os.stat(self.path)
            except FileNotFoundError:
                forgot = self._inode >= 0
                self._forget()
                return News([], forgot)
            from_start = found.st_ino != self._inode or found.st_size < self._offset
            if from_start:
                self._forget()
                self._open()
            elif found.st_size == self._offset:
                return News([], from_start=False)
            return News(self._read_lines(), from_start)

    def append(self, event: Any) -> None:
        """Hand one event to the kernel, after `news` and under the lock."""
        line = orjson.dumps(event) + b"\n"
        with self._explained():
            if self._data < 0:
                self._open()
            if os.fstat(self._data).st_size > self._offset:
                os.ftruncate(self._data, self._offset)
            if os.write(self._data, line) < len(line):
                raise OSError(ENOSPC, os.strerror(ENOSPC))
        self._offset += len(line)

    def rewrite(self, events: Iterable[Any]) -> None:
        """Put these events in the place of all others, whole or not at all, under the lock.

        They are news to everybody, to this one too.
        """
        with self._explained():
            fresh = Path(f"{self.path}.new")
            fresh.write_bytes(b"".join(orjson.dumps(event) + b"\n" for event in events))
            fresh.replace(self.path)
        self._forget()

    def close(self) -> None:
        """Let go of the file; the next look opens it again."""
        self._forget()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _open(self) -> None:
        self._data = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        self._inode = os.fstat(self._data).st_ino

    def _forget(self) -> None:
        if self._data >= 0:
            os.close(self._data)
        self._data, self._inode, self._offset = -1, -1, 0

    def _read_lines(self) -> list[Any]:
        size = os.fstat(self._data).st_size
        block = os.pread(self._data, size - self._offset, self._offset)
        whole = block[: block.rfind(b"\n") + 1]
        self._offset += len(whole)
        return [orjson.loads(line) for line in whole.splitlines()]

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise PermanentError(
                f"cannot use the world file {self.path}: {error.strerror}",
                hint="see to the disk and to who may write there",
            ) from error
        except orjson.JSONDecodeError as error:
            raise not_a_world(self.path) from error


def not_a_world(path: object) -> PermanentError:
    """The error for a file that holds something else."""
    return PermanentError(
        f"cannot use the world file {path}: it holds something else than a world",
        hint="name another file in the provider's connection, or remove this one",
    )
