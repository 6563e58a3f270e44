"""Waiting for what happens elsewhere: a generous bound, and no guess at how long it takes."""

from __future__ import annotations

import time
from collections.abc import Callable


def until(condition: Callable[[], bool], *, seconds: float = 20) -> None:
    """Return when `condition` holds; fail when it has not come about in time."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.02)
