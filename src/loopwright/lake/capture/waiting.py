"""What waits in a lake's spool, counted without any key: for status lines, and before an erasure.

Counts only; what the frames say is `taking`'s.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from loopwright.lake.capture.frames import Kind, counts
from loopwright.lake.capture.log_file import SEGMENT_SECONDS
from loopwright.lake.capture.spool import gateways


@dataclass(frozen=True, slots=True)
class Waiting:
    """Calls and feedback that were sealed and are not known to be in the lake.

    `oldest_seconds`: how long ago the oldest of them were handed over, at the most.
    """

    calls: int = 0
    feedback: int = 0
    bytes: int = 0
    oldest_seconds: float = 0.0
    running_gateways: int = 0
    dead_gateways: int = 0
    """Died or ended, and left a log that nobody has emptied to the end."""

    def __bool__(self) -> bool:
        return bool(self.calls or self.feedback)


def waiting(spool: Path | None) -> Waiting:
    """What lies in `spool`, the spool folder of one lake. Raises OSError."""
    calls = feedback = size = running = dead = 0
    oldest: float | None = None
    for gateway in gateways(spool) if spool else ():
        running, dead = running + gateway.alive, dead + (not gateway.alive)
        with suppress(FileNotFoundError):  # recorded in between
            for segment in gateway.segments():
                data, written = segment.path.read_bytes(), segment.path.stat().st_mtime
                found = counts(data)
                size += len(data)
                calls += found[Kind.RECORD]
                feedback += found[Kind.FEEDBACK]
                if found[Kind.RECORD] or found[Kind.FEEDBACK]:
                    oldest = written if oldest is None else min(oldest, written)
    # A segment is written to for some seconds.
    age = 0.0 if oldest is None else max(0.0, time.time() - oldest) + SEGMENT_SECONDS
    return Waiting(calls, feedback, size, age, running, dead)
