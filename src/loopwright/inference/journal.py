"""What is settled already, one line a key: kept through a kill, found again by the next attempt.

Lines reach the system at once, so that a killed process loses none; the disk gets them in groups,
so that a power cut loses at most a moment. Half a line at the end is what a power cut leaves.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson

_SYNC_SECONDS = 0.5
_OWNER_ONLY = 0o600


class Journal:
    """An append-only file of JSON records by key; the last of a key holds. One process writes.

    Records stay on disk: what is held in memory is where they lie. Use as a context manager, or
    `close` it.
    """

    def __init__(self, path: Path, *, sync_seconds: float = _SYNC_SECONDS) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, _OWNER_ONLY)
        self._sync_seconds, self._synced = sync_seconds, time.monotonic()
        self._places, self._end = _read(path)
        if self._end and os.pread(self._file, 1, self._end - 1) != b"\n":
            self._end += os.write(self._file, b"\n")

    def known(self) -> Mapping[str, Any]:
        """The records so far, read from disk as they are asked for; in the order of their keys'
        first coming."""
        return _Records(self._file, self._places)

    def add(self, key: str, record: Any) -> None:
        """Settle a key. What was added outlives this process at once, a power cut soon."""
        line = orjson.dumps([key, record]) + b"\n"
        written = os.write(self._file, line)
        while written < len(line):
            written += os.write(self._file, line[written:])
        self._places[key] = (self._end, len(line))
        self._end += len(line)
        if time.monotonic() - self._synced >= self._sync_seconds:
            self.flush()

    def flush(self) -> None:
        """Durable when this returns."""
        os.fsync(self._file)
        self._synced = time.monotonic()

    def close(self) -> None:
        """Durable, and no more to be used."""
        if self._file >= 0:
            self.flush()
            os.close(self._file)
            self._file = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class _Records(Mapping[str, Any]):
    def __init__(self, file: int, places: Mapping[str, tuple[int, int]]) -> None:
        self._file, self._places = file, places

    def __getitem__(self, key: str) -> Any:
        start, length = self._places[key]
        return orjson.loads(os.pread(self._file, length, start))[1]

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, key: object) -> bool:
        return key in self._places


def _read(path: Path) -> tuple[dict[str, tuple[int, int]], int]:
    """Where the record of each key lies, and where the file ends; what is torn is passed over."""
    places: dict[str, tuple[int, int]] = {}
    start = 0
    with path.open("rb") as lines:
        for line in lines:
            with suppress(orjson.JSONDecodeError, TypeError, ValueError):
                key, _ = orjson.loads(line)
                places[str(key)] = (start, len(line))
            start += len(line)
    return places, start
