"""The log of one gateway process for one lake: what a call leaves before the lake has it.

Every call is a marker in the kernel before it goes upstream, and a sealed record when it is done;
a thread makes both durable in groups. Sequence numbers that the disk would not take are kept in
memory until it does. Emptying the log is the recorder's.
"""

from __future__ import annotations

import errno
import os
import secrets
import threading
import time
from collections import Counter, deque
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import orjson

from loopwright.clock import Clock, SystemClock
from loopwright.errors import CaptureError, LoopwrightError
from loopwright.lake.capture.committing import GroupCommit
from loopwright.lake.capture.frames import Kind, Sealer, call_to_bytes
from loopwright.lake.capture.ledger import Ledger, lake_secret
from loopwright.lake.capture.ranges import Ranges
from loopwright.lake.capture.records import CapturedCall, Excluded, Lost, Ticket
from loopwright.lake.capture.segment import Segment
from loopwright.lake.capture.spool import SpoolDisk, boot_id, bytes_in, end_gateway, new_gateway
from loopwright.lake.keystore import LakeSecret
from loopwright.lake.store import Lake

SEGMENT_BYTES = 8 << 20
SEGMENT_SECONDS = 2.0
COMMIT_SECONDS = 0.03
_COMMIT_FRAMES = 200  # a call is two frames
_AGAIN_SECONDS = 0.5  # after a disk refused, or while the spool is full
_BOUNDED = frozenset({Kind.ACCEPTED, Kind.RECORD, Kind.FEEDBACK})


@dataclass(frozen=True, slots=True, kw_only=True)
class LogStats:
    """A log in numbers, for metrics. Counts are since it was opened.

    `queue_depth` calls are sealed but not in the lake yet, the oldest of them for
    `oldest_unflushed_seconds`; `bytes` were handed over in all, `spooled_bytes` lie in the spool
    of the lake now.
    """

    queue_depth: int
    oldest_unflushed_seconds: float
    bytes: int
    spooled_bytes: int
    delivered: int
    excluded: Mapping[str, int] = field(default_factory=dict)
    lost: Mapping[str, int] = field(default_factory=dict)


class CallLog:
    """See the module. One event loop calls it; nothing here waits for a disk but `close`."""

    def __init__(
        self,
        folder: Path,
        *,
        lake: Lake,
        gateway_id: str,
        lock: int,
        limit_bytes: int,
        disk: SpoolDisk,
    ) -> None:
        self.gateway_id = gateway_id
        self.hash_keys = lake.hash_keys
        self._spool = folder
        self._folder = folder / gateway_id
        self._lake_id = lake.lake_id
        self._secret = lake_secret(lake, LakeSecret.LOG)
        self._limit = limit_bytes
        self._disk = disk
        self._held = lock
        self._boot = boot_id()
        self._mutex = threading.Lock()
        self._seqs: dict[str, int] = {}
        self._owed: dict[tuple[Kind, str, str], Ranges] = {}
        self._segment: Segment | None = None
        self._retired: list[Segment] = []
        self._recent: deque[Segment] = deque()
        self._number = 0
        self._handed = self._taken = self._durable = 0  # frames
        self._new_names = True
        self._waiting: list[Future[None]] = []
        self._spooled = bytes_in(folder)
        self._bytes = 0
        self._delivered = 0
        self._excluded: Counter[str] = Counter()
        self._lost: Counter[str] = Counter()
        self._closed = False
        self._committing = GroupCommit(
            self._commit_group, name=f"capture {gateway_id}", gather=COMMIT_SECONDS
        )

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        lake: Lake,
        gateway_id: str,
        limit_bytes: int = 1 << 30,
        disk: SpoolDisk | None = None,
        clock: Clock | None = None,
    ) -> Self:
        """Begin a log in `folder`, the spool of this lake (`<state>/spool/<lake name>`).

        Every opening is another gateway to the ledger: a name that was used before gets a random
        tail, see `gateway_id`. Raises LakeError when the lake or the spool cannot be written,
        LakeKeyError when the role may not open text.
        """
        lake_secret(lake, LakeSecret.LOG)
        ledger = Ledger(lake, clock=clock or SystemClock())
        lock: int | None = None
        try:
            name = gateway_id
            while ledger.knows(name) or (lock := new_gateway(folder, name)) is None:
                name = f"{gateway_id}-{secrets.token_hex(3)}"
            ledger.opened(name, spool=folder)
            return cls(
                folder,
                lake=lake,
                gateway_id=name,
                lock=lock,
                limit_bytes=limit_bytes,
                disk=disk or SpoolDisk(),
            )
        except (OSError, LoopwrightError) as error:
            if lock is not None:
                os.close(lock)
            if isinstance(error, OSError):
                raise _refused(error, f"open the log in {folder}") from error
            raise

    def accept(self, endpoint: str, *, call_id: str, ts: int) -> Ticket:
        """Mark a call as accepted; the marker is in the kernel when this returns.

        Raises CaptureError when it is not: the call is lost to the lake, and is counted so.
        """
        seq = self._seqs.get(endpoint, 0) + 1
        self._seqs[endpoint] = seq
        try:
            self._hand_over(Kind.ACCEPTED, orjson.dumps((endpoint, seq, call_id, ts)))
        except CaptureError as error:
            self._lost[error.reason] += 1
            self._owe(Kind.LOST, endpoint, error.reason, seq)
            raise
        return Ticket(endpoint, seq, call_id)

    def exclude(self, ticket: Ticket, reason: Excluded) -> None:
        """Policy keeps an accepted call out of the lake."""
        self._excluded[reason] += 1
        self._settle(Kind.EXCLUDED, ticket, reason)

    def lose(self, ticket: Ticket, reason: Lost) -> None:
        """An accepted call will not be recorded, or may not have been."""
        self._lost[reason] += 1
        self._settle(Kind.LOST, ticket, reason)

    def record(self, call: CapturedCall) -> None:
        """Seal a finished call and hand it to the kernel.

        Raises CaptureError when that fails: then `lose` it.
        """
        try:
            content = call_to_bytes(call)
        except (TypeError, ValueError, OverflowError) as error:
            raise CaptureError(
                f"a call cannot be written down: {error}", reason=Lost.DEFECT
            ) from error
        self._hand_over(Kind.RECORD, content)
        self._delivered += 1

    def feedback(self, entry: Mapping[str, Any]) -> None:
        """Seal one row of feedback on its way. Raises CaptureError when that fails."""
        try:
            content = orjson.dumps(dict(entry))
        except TypeError as error:
            raise CaptureError(
                f"feedback cannot be written down: {error}", reason=Lost.DEFECT
            ) from error
        self._hand_over(Kind.FEEDBACK, content)

    def commit(self) -> Future[None]:
        """Done when all that was handed over so far survives a power cut.

        A segment that was rotated before can be taken by the recorder then, too. Fails with
        CaptureError when the disk refuses.
        """
        done: Future[None] = Future()
        with self._mutex:
            idle = self._handed == self._durable and not self._retired
            if not idle:
                self._waiting.append(done)
        if idle:
            done.set_result(None)
        else:
            self._committing.hurry()
        return done

    def rotate(self) -> None:
        """Close the current segment, so that the recorder may take it (see `commit`)."""
        with self._mutex:
            self._retire()
        self._committing.hurry()

    def stats(self) -> LogStats:
        while self._recent and self._recent[0].waits_at is None:
            self._recent.popleft()
        waiting = list(self._recent)
        oldest = next((one.born for one in waiting if one.calls), None)
        return LogStats(
            queue_depth=sum(one.calls for one in waiting),
            oldest_unflushed_seconds=0.0 if oldest is None else time.monotonic() - oldest,
            bytes=self._bytes,
            spooled_bytes=self._spooled,
            delivered=self._delivered,
            excluded=dict(self._excluded),
            lost=dict(self._lost),
        )

    def close(self) -> None:
        """End the log; calls that are still running are lost to the lake. Waits for the disk."""
        if self._closed:
            return
        self._closed = True
        with self._mutex:
            self._pay()
            self._retire()
        self._committing.close()
        end_gateway(self._held)

    def _hand_over(self, kind: Kind, content: bytes) -> None:
        with self._mutex:
            if kind in _BOUNDED and self._spooled + len(content) > self._limit:
                raise CaptureError(
                    f"the spool {self._spool} holds {self._spooled:,} bytes and may hold no more",
                    reason=Lost.SPOOL_FULL,
                    hint="see why the lake does not take them: `loopwright lake status`",
                )
            try:
                self._append(kind, content)
            except OSError as error:
                raise _refused(error, f"write to the spool {self._spool}") from error
            if self._owed:
                self._pay()
            unsynced = self._handed - self._taken
        if unsynced == 1:
            self._committing.nudge()
        elif unsynced == _COMMIT_FRAMES:
            self._committing.hurry()

    def _append(self, kind: Kind, content: bytes) -> None:
        """Under the mutex. Raises OSError."""
        segment = self._segment or self._new_segment()
        size = segment.add(kind, content)
        self._spooled += size
        self._bytes += size
        self._handed += 1
        if segment.size >= SEGMENT_BYTES:
            self._retire()

    def _new_segment(self) -> Segment:
        number = self._number + 1
        sealer = Sealer(
            self._secret,
            lake=self._lake_id,
            gateway=self.gateway_id,
            segment=number,
            boot=self._boot,
        )
        self._segment = Segment(str(self._folder), number, sealer, disk=self._disk)
        self._number = number
        self._new_names = True
        self._recent.append(self._segment)
        return self._segment

    def _settle(self, kind: Kind, ticket: Ticket, reason: str) -> None:
        try:
            self._hand_over(kind, _settled(ticket.endpoint, reason, Ranges.of([ticket.seq])))
        except CaptureError:
            self._owe(kind, ticket.endpoint, reason, ticket.seq)

    def _owe(self, kind: Kind, endpoint: str, reason: str, seq: int) -> None:
        with self._mutex:
            key = kind, endpoint, reason
            self._owed[key] = self._owed.get(key, Ranges()) | Ranges.of([seq])
        self._committing.nudge()

    def _pay(self) -> None:
        """Write down what the disk would not take before. Under the mutex."""
        for key, owed in list(self._owed.items()):
            kind, endpoint, reason = key
            try:
                self._append(kind, _settled(endpoint, reason, owed))
            except OSError:
                return
            del self._owed[key]

    def _retire(self) -> None:
        """Under the mutex."""
        if self._segment:
            self._retired.append(self._segment)
            self._segment = None

    def _commit_group(self) -> float | None:
        """What the thread does: sync, finish segments, pay what is owed, look how full it is."""
        with self._mutex:
            self._pay()
            segment = self._segment
            if segment and time.monotonic() - segment.born >= SEGMENT_SECONDS:
                self._retire()
                segment = None
            waiting, self._waiting = self._waiting, []
            retired = list(self._retired)
            self._taken = self._handed
        problem = self._make_durable(segment, retired)
        if problem is None:
            self._durable = self._taken
        for done in waiting:
            if not done.set_running_or_notify_cancel():
                continue
            if problem is None:
                done.set_result(None)
            else:
                done.set_exception(problem)
        return self._patience(segment)

    def _make_durable(self, segment: Segment | None, retired: list[Segment]) -> CaptureError | None:
        problem: CaptureError | None = None
        try:
            for one in retired:
                if not one.finish(self._end()):
                    problem = _refused(OSError(errno.EIO, os.strerror(errno.EIO)), "sync the log")
                with self._mutex:
                    self._retired.remove(one)
            if segment:
                self._disk.sync(segment.descriptor)
            if self._new_names or retired:
                self._new_names = False
                self._disk.sync_path(self._folder)
        except OSError as error:
            self._new_names = True
            problem = _refused(error, f"make the log in {self._spool} durable")
        with suppress(OSError):
            self._spooled = bytes_in(self._spool)
        return problem

    def _patience(self, segment: Segment | None) -> float | None:
        if (
            self._owed
            or self._retired
            or self._durable != self._taken
            or self._spooled >= self._limit
        ):
            return _AGAIN_SECONDS
        if segment:
            return max(0.0, segment.born + SEGMENT_SECONDS - time.monotonic())
        return None

    def _end(self) -> bytes:
        """How far each endpoint has come, so that a call that left no trace is missed."""
        return orjson.dumps(self._seqs)


def _settled(endpoint: str, reason: str, numbers: Ranges) -> bytes:
    return orjson.dumps((endpoint, reason, numbers.runs))


def _refused(error: OSError, what: str) -> CaptureError:
    return CaptureError(
        f"cannot {what}: {error.strerror or error}",
        reason=Lost.DISK,
        hint="free some space or mend the disk; calls go on, and those lost are listed",
    )
