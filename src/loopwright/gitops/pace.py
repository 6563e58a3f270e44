"""Waiting that can be cut short: by a file event, a signal, or another thread.

The loop waits nowhere else, so tests that pass another pace run hours in milliseconds.
"""

from __future__ import annotations

import contextlib
import os
import select
from typing import Protocol


class Pace(Protocol):
    """Waits between passes."""

    def wait(self, seconds: float) -> bool:
        """Return after so many seconds, or earlier when woken; True when woken."""
        ...

    def wake(self) -> None:
        """End the wait that is on, or the next one. Any thread or signal handler may call it."""
        ...

    def close(self) -> None: ...


class SystemPace:
    """Real time. A pipe, not a lock: a signal handler that took a lock could wait for itself."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(self._write, False)
        self._poll = select.poll()  # takes any descriptor, however many are open
        self._poll.register(self._read, select.POLLIN)

    def wait(self, seconds: float) -> bool:
        ready = self._poll.poll(max(0.0, seconds) * 1000)
        if ready:
            with contextlib.suppress(BlockingIOError):
                while os.read(self._read, 512):
                    pass
        return bool(ready)

    def wake(self) -> None:
        with contextlib.suppress(BlockingIOError):  # full: it wakes anyway
            os.write(self._write, b"!")

    def close(self) -> None:
        os.close(self._read)
        os.close(self._write)
