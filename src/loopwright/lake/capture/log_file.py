"""The segments of one log, one after the other: frames go in at once, and are durable in groups.

What an event loop calls here never waits for a disk; a thread syncs, finishes segments, and
writes down later what the disk would not take. Knows kinds of frames, and not what they say.
"""

from __future__ import annotations

import errno
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path

from loopwright.errors import CaptureError
from loopwright.lake.capture.accounts import Accounts
from loopwright.lake.capture.committing import GroupCommit
from loopwright.lake.capture.debts import Debts
from loopwright.lake.capture.frames import Kind, Sealer
from loopwright.lake.capture.records import Lost
from loopwright.lake.capture.segment import Segment
from loopwright.lake.capture.spool import SpoolDisk, bytes_in

SEGMENT_BYTES = 16 << 20
SEGMENT_SECONDS = 2.0
COMMIT_SECONDS = 0.03
_COMMIT_FRAMES = 200  # a call is two frames
_AGAIN_SECONDS = 0.5  # after a disk refused, or while the spool is rather full
_BOUNDED = frozenset({Kind.ACCEPTED, Kind.RECORD, Kind.FEEDBACK})


class LogFile:
    """The log in `folder`, a gateway's in the spool of a lake, which may hold `limit` bytes.

    `new_sealer` makes the sealer of a segment by its number, `end` what its last frame says.
    """

    def __init__(
        self,
        folder: Path,
        *,
        new_sealer: Callable[[int], Sealer],
        end: Callable[[], bytes],
        limit: int,
        disk: SpoolDisk,
    ) -> None:
        self.bytes = 0
        """Handed over in all."""
        self.spooled = bytes_in(folder.parent)
        """In the spool of the lake, about now."""
        self._folder = folder
        self._new_sealer = new_sealer
        self._end = end
        self._limit = limit
        self._disk = disk
        self._mutex = threading.Lock()
        self._debts = Debts()
        self._segment: Segment | None = None
        self._retired: list[Segment] = []
        self._recent: deque[Segment] = deque()
        self._segments = 0
        self._handed = self._taken = self._durable = 0  # frames
        self._new_names = True
        self._looked = 0.0
        self._awaited: list[Future[None]] = []
        self._committing = GroupCommit(
            self._commit_group, name=f"capture {folder.name}", gather=COMMIT_SECONDS
        )

    def write(self, kind: Kind, content: bytes) -> None:
        """Seal a frame and hand it to the kernel. Raises CaptureError."""
        with self._mutex:
            if kind in _BOUNDED and self.spooled + len(content) > self._limit:
                raise CaptureError(
                    f"the spool {self._folder.parent} holds {self.spooled:,} bytes "
                    f"and may hold {self._limit:,}",
                    reason=Lost.SPOOL_FULL,
                    hint="see why the lake does not take them: `loopwright lake status`",
                )
            try:
                self._append(kind, content)
            except OSError as error:
                raise refused(error, f"write to the spool {self._folder.parent}") from error
            if self._debts:
                self._debts.pay(self._append)
            untaken = self._handed - self._taken
        if untaken == 1:
            self._committing.nudge()
        elif untaken == _COMMIT_FRAMES:
            self._committing.hurry()

    def owe(self, kind: Kind, endpoint: str, reason: str, seq: int) -> None:
        """Write down later what could not be written now."""
        with self._mutex:
            self._debts.add(kind, endpoint, reason, seq)
        self._committing.nudge()

    def owed(self) -> Accounts:
        """What is in no segment yet."""
        with self._mutex:
            return self._debts.accounts()

    def commit(self) -> Future[None]:
        """Done when what was written and rotated so far is durable; fails with CaptureError."""
        done: Future[None] = Future()
        with self._mutex:
            if idle := self._handed == self._durable and not self._retired:
                done.set_result(None)
            else:
                self._awaited.append(done)
        if not idle:
            self._committing.hurry()
        return done

    def rotate(self) -> None:
        """Let the recorder have the current segment."""
        with self._mutex:
            self._retire()
        self._committing.hurry()

    def waiting(self) -> list[Segment]:
        """Segments that are not in the lake yet, the oldest first."""
        return [one for one in list(self._recent) if not one.is_gone]

    def close(self) -> None:
        """Finish what is there. Waits for the disk."""
        with self._mutex:
            self._debts.pay(self._append)
            self._retire()
        self._committing.close()

    def _append(self, kind: Kind, content: bytes) -> None:
        """Under the mutex. Raises OSError."""
        segment = self._segment or self._next_segment()
        size = segment.add(kind, content)
        self.spooled += size
        self.bytes += size
        self._handed += 1
        if segment.size >= SEGMENT_BYTES:
            self._retire()

    def _next_segment(self) -> Segment:
        number = self._segments + 1
        sealer = self._new_sealer(number)
        self._segment = Segment(str(self._folder), number, sealer, disk=self._disk)
        self._segments = number
        self._new_names = True
        self._recent.append(self._segment)
        return self._segment

    def _retire(self) -> None:
        """Under the mutex."""
        if self._segment:
            self._retired.append(self._segment)
            self._segment = None

    def _commit_group(self) -> float | None:
        """What the thread does; returns when it wants to do it again."""
        with self._mutex:
            self._debts.pay(self._append)
            if self._segment and time.monotonic() - self._segment.born >= SEGMENT_SECONDS:
                self._retire()
            segment, retired = self._segment, list(self._retired)
            awaited, self._awaited = self._awaited, []
            self._taken = self._handed
        problem = self._made_durable(segment, retired)
        if problem is None:
            self._durable = self._taken
        for done in awaited:
            if done.set_running_or_notify_cancel():
                _settle(done, problem)
        self._look_around()
        return self._patience(segment)

    def _made_durable(self, segment: Segment | None, retired: list[Segment]) -> CaptureError | None:
        durable = True
        try:
            for one in retired:
                durable &= one.finish(self._end())
                with self._mutex:
                    self._retired.remove(one)
            if segment:
                self._disk.sync(segment.descriptor)
            if self._new_names or retired:
                self._new_names = False
                self._disk.sync_path(self._folder)
            if not durable:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
        except OSError as error:
            self._new_names = True
            return refused(error, f"make the log in {self._folder.parent} durable")
        return None

    def _look_around(self) -> None:
        """How full the spool is, and which segments are in the lake by now."""
        if time.monotonic() - self._looked < _AGAIN_SECONDS:
            return
        self._looked = time.monotonic()
        while self._recent and self._recent[0].is_gone:
            self._recent.popleft()
        with suppress(OSError):
            self.spooled = bytes_in(self._folder.parent)

    def _patience(self, segment: Segment | None) -> float | None:
        behind = self._debts or self._retired or self._durable != self._taken
        if behind or self.spooled > self._limit // 2:
            return _AGAIN_SECONDS
        if segment:
            return max(0.0, segment.born + SEGMENT_SECONDS - time.monotonic())
        return SEGMENT_SECONDS if self.spooled else None


def refused(error: OSError, what: str) -> CaptureError:
    """What the system refused, in the words of capture."""
    return CaptureError(
        f"cannot {what}: {error.strerror or error}",
        reason=Lost.DISK,
        hint="free some space or mend the disk; calls go on, and those lost are listed",
    )


def _settle(done: Future[None], problem: CaptureError | None) -> None:
    if problem is None:
        done.set_result(None)
    else:
        done.set_exception(problem)
