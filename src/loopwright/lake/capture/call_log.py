"""The log of one gateway process for one lake: what a call leaves before the lake has it.

Every call is a marker in the kernel before it goes upstream, and a sealed record when it is done.
Numbers are never given twice and never skipped; emptying the log is the recorder's.
"""

from __future__ import annotations

import os
import secrets
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import orjson

from loopwright.clock import Clock, SystemClock
from loopwright.errors import CaptureError, LoopwrightError
from loopwright.lake.capture.accounts import Accounts
from loopwright.lake.capture.debts import settled
from loopwright.lake.capture.frames import Kind, Sealer, call_to_bytes
from loopwright.lake.capture.ledger import Ledger, lake_secret
from loopwright.lake.capture.log_file import LogFile, refused
from loopwright.lake.capture.ranges import Ranges
from loopwright.lake.capture.records import CapturedCall, Excluded, Lost, Ticket
from loopwright.lake.capture.spool import (
    SpoolDisk,
    boot_id,
    end_gateway,
    new_gateway,
    note_numbers,
)
from loopwright.lake.keystore import LakeSecret
from loopwright.lake.store import Lake


@dataclass(frozen=True, slots=True, kw_only=True)
class LogStats:
    """A log in numbers, for metrics. Counts are since it was opened.

    `queue_depth` calls are sealed but not in the lake yet, the oldest of them for
    `oldest_unflushed_seconds`; `bytes` were handed over in all, `spooled_bytes` lie in the spool
    of the lake, about now.
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
        """What the ledger calls this log."""
        self.hash_keys = lake.hash_keys
        self._lake_id = lake.lake_id
        self._secret = lake_secret(lake, LakeSecret.LOG)
        self._boot = boot_id()
        self._held: int | None = lock
        self._seqs: dict[str, int] = {}
        self._delivered = 0
        self._excluded: Counter[str] = Counter()
        self._lost: Counter[str] = Counter()
        self._file = LogFile(
            folder / gateway_id,
            new_sealer=self._sealer,
            end=self._how_far,
            limit=limit_bytes,
            disk=disk,
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
        tail. Raises LakeError when the lake or the spool cannot be written, LakeKeyError when the
        role may not open text.
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
                raise refused(error, f"open the log in {folder}") from error
            raise

    def accept(self, endpoint: str, *, call_id: str, ts: int, or_refuse: bool = False) -> Ticket:
        """Mark a call as accepted; the marker is in the kernel when this returns.

        Raises CaptureError when it is not: the call is lost to the lake, and is counted so. With
        `or_refuse` it will not be served then, so it was never accepted, and takes no number.
        """
        seq = self._seqs.get(endpoint, 0) + 1
        try:
            self._file.write(Kind.ACCEPTED, orjson.dumps((endpoint, seq, call_id, ts)))
        except CaptureError as error:
            if or_refuse:
                raise
            self._seqs[endpoint] = seq
            self._lost[error.reason.value] += 1
            self._file.owe(Kind.LOST, endpoint, error.reason, seq)
            if self._held is not None:
                note_numbers(self._held, self._how_far())
            raise
        self._seqs[endpoint] = seq
        return Ticket(endpoint, seq, call_id)

    def exclude(self, ticket: Ticket, reason: Excluded) -> None:
        """Policy keeps an accepted call out of the lake."""
        self._excluded[reason.value] += 1
        self._settle(Kind.EXCLUDED, ticket, reason)

    def lose(self, ticket: Ticket, reason: Lost) -> None:
        """An accepted call will not be recorded, or may not have been."""
        self._lost[reason.value] += 1
        self._settle(Kind.LOST, ticket, reason)

    def record(self, call: CapturedCall) -> None:
        """Seal a finished call and hand it to the kernel.

        Raises CaptureError when that fails: then `lose` it.
        """
        try:
            content = call_to_bytes(call)
        except (TypeError, ValueError, OverflowError) as error:
            raise _defect("a call", error) from error
        self._file.write(Kind.RECORD, content)
        self._delivered += 1

    def feedback(self, entry: Mapping[str, Any]) -> None:
        """Seal one row of feedback on its way. Raises CaptureError when that fails."""
        try:
            content = orjson.dumps(dict(entry))
        except TypeError as error:
            raise _defect("feedback", error) from error
        self._file.write(Kind.FEEDBACK, content)

    def commit(self) -> Future[None]:
        """Done when all that was handed over so far survives a power cut.

        A segment that was rotated before can be taken by the recorder then, too. Fails with
        CaptureError when the disk refuses.
        """
        return self._file.commit()

    def rotate(self) -> None:
        """Close the current segment, so that the recorder may take it (see `commit`)."""
        self._file.rotate()

    def stats(self) -> LogStats:
        waiting = self._file.waiting()
        oldest = next((one.born for one in waiting if one.calls), None)
        return LogStats(
            queue_depth=sum(one.calls for one in waiting),
            oldest_unflushed_seconds=0.0 if oldest is None else time.monotonic() - oldest,
            bytes=self._file.bytes,
            spooled_bytes=self._file.spooled,
            delivered=self._delivered,
            excluded=dict(self._excluded),
            lost=dict(self._lost),
        )

    def unwritten(self) -> Accounts:
        """What became of calls, in memory only: the disk has not taken it yet."""
        return self._file.owed()

    def close(self) -> None:
        """End the log; calls that are still running are lost to the lake. Waits for the disk."""
        if self._held is not None:
            held, self._held = self._held, None
            self._file.close()
            end_gateway(held)

    def _settle(self, kind: Kind, ticket: Ticket, reason: str) -> None:
        numbers = Ranges(((ticket.seq, ticket.seq),))
        try:
            self._file.write(kind, settled(ticket.endpoint, reason, numbers))
        except CaptureError:
            self._file.owe(kind, ticket.endpoint, reason, ticket.seq)

    def _sealer(self, segment: int) -> Sealer:
        return Sealer(
            self._secret,
            lake=self._lake_id,
            gateway=self.gateway_id,
            segment=segment,
            boot=self._boot,
        )

    def _how_far(self) -> bytes:
        """The last number of each endpoint, so that a call which left no trace is missed."""
        return orjson.dumps(self._seqs)


def _defect(what: str, error: Exception) -> CaptureError:
    return CaptureError(f"{what} cannot be written down: {error}", reason=Lost.DEFECT)
