"""The thread that shows that the holder of a lease is alive."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Heartbeat:
    """Calls `beat` every `seconds` until stopped, or until `beat` says that it was the last."""

    def __init__(self, beat: Callable[[], bool], *, seconds: float) -> None:
        self._beat = beat
        self._seconds = seconds
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="state-lease", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Returns when no beat is under way any more."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(self._seconds):
            if not self._beat():
                return
