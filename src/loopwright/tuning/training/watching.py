"""A child that outlives nobody: it stops when asked, and ends when whoever started it is gone."""

from __future__ import annotations

import os
import signal
import threading
import time
from types import FrameType

from loopwright.children import Parent

_LOOK_SECONDS = 1.0


def stop_on_signal(stop: threading.Event, *, at_once: bool, status: int) -> None:
    """SIGTERM sets `stop`. `at_once`: ends the process instead, where several train together.

    They would be asked at different steps, and wait for each other for ever.
    """

    def asked(number: int, frame: FrameType | None) -> None:
        del number, frame
        if at_once:
            os._exit(status)
        stop.set()

    signal.signal(signal.SIGTERM, asked)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's; whoever started us decides


def end_with(parent: int) -> None:
    """End this process when the one that asked for it is gone. Checkpoints are whole or absent."""
    above = Parent(parent)

    def watch() -> None:
        while above.lives:
            time.sleep(_LOOK_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, name="parent", daemon=True).start()
