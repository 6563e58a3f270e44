"""One watcher an environment: a lock of the operating system, gone with its process.

It only keeps watchers apart. Writing state needs the lease, whoever writes.
"""

from __future__ import annotations

import os
from pathlib import Path

from loopwright.locks import hold


class WatchLock:
    """Held from `take` until `release` or the end of the process."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def take(self, holder: str) -> str:
        """Empty: it is ours now. Else who has it."""
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = hold(self._path)
        if descriptor is None:
            other = self._path.read_bytes()[:1024].decode("utf-8", "replace").strip()
            return other or "another watcher"
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, holder.encode(), 0)
        self._descriptor = descriptor
        return ""

    def release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
