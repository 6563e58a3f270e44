"""One watcher an environment: a lock of the operating system, gone with its process.

It only keeps watchers apart. Writing state needs the lease, whoever writes.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


class WatchLock:
    """Held from `take` until `release` or the end of the process."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def take(self, holder: str) -> str:
        """Empty: it is ours now. Else who has it."""
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            other = os.read(descriptor, 1024).decode("utf-8", "replace").strip()
            os.close(descriptor)
            return other or "another watcher"
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, holder.encode(), 0)
        self._descriptor = descriptor
        return ""

    def release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def is_held(path: Path) -> bool:
    """Whether a watcher is alive."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except (OSError, ValueError):  # the second: a path that no file can have
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
