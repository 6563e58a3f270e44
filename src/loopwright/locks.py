"""Lock files of the operating system: held by one process at a time, and gone with it.

The kernel knows who lives, so a kill leaves no doubt. Nothing here reads or writes content.
"""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

_LOOK_SECONDS = 0.25


def hold(path: Path, *, mode: int = 0o600) -> int | None:
    """A descriptor that holds the lock until it is closed; None while another process has it.

    Who merely looks has it for a moment, so this asks for a moment; a holder keeps it.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, mode)
    until = time.monotonic() + _LOOK_SECONDS
    while not _locked(descriptor, fcntl.LOCK_EX):
        if time.monotonic() >= until:
            os.close(descriptor)
            return None
        time.sleep(_LOOK_SECONDS / 50)
    return descriptor


def is_held(path: Path) -> bool:
    """Whether some process holds the lock now. A path that no file can have is nobody's."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except (OSError, ValueError):
        return False
    try:
        return not _locked(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


def _locked(descriptor: int, how: int) -> bool:
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
