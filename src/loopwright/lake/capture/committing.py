"""Group commit: one thread that does now and then what an event loop must not wait for.

Knows nothing of logs: it runs `work` soon after it was nudged, and at once when it is hurried.
"""

from __future__ import annotations

import threading
from collections.abc import Callable


class GroupCommit:
    """Runs `work` in a thread of its own, never twice at once.

    `work` returns the seconds after which it wants to run unasked, or None. It must not raise.
    """

    def __init__(self, work: Callable[[], float | None], *, name: str, gather: float) -> None:
        self._work = work
        self._gather = gather
        self._nudged = threading.Event()
        self._hurried = threading.Event()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def nudge(self) -> None:
        """There is something to do: within the gathering time."""
        self._nudged.set()

    def hurry(self) -> None:
        """Somebody waits, or much has gathered."""
        self._hurried.set()
        self._nudged.set()

    def close(self) -> None:
        """Run `work` a last time, and end the thread."""
        self._closing = True
        self.hurry()
        self._thread.join()

    def _run(self) -> None:
        patience: float | None = None
        while not self._closing:
            if self._nudged.wait(patience) and not self._closing:
                self._hurried.wait(self._gather)
            self._nudged.clear()
            self._hurried.clear()
            patience = self._work()
        self._work()
