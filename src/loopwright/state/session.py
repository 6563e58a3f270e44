"""The one writer of the embedded store: it holds the lease and commits in groups.

Threads that commit at the same time share one transaction and so one sync: the first to come
writes for all who wait, while the next group gathers behind it.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from loopwright.clock import Clock
from loopwright.errors import StateError
from loopwright.resources.address import Address
from loopwright.state import files, lease, schema
from loopwright.state.acquiring import Claim, acquire
from loopwright.state.heartbeat import Heartbeat
from loopwright.state.reading import SqliteReads
from loopwright.state.records import Record
from loopwright.state.refusals import explained
from loopwright.state.store import Entry, LeaseInfo

log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class _Commit:
    """One caller's rows, and what became of them."""

    lines: list[tuple[object, ...]]
    kept: list[tuple[str, bytes]]
    dropped: list[tuple[str]]
    serial: int = 0
    problem: BaseException | None = None

    @property
    def settled(self) -> bool:
        return bool(self.serial or self.problem)

    def outcome(self) -> int:
        if self.problem:
            raise self.problem
        return self.serial


class SqliteSession(SqliteReads):
    """A StateSession; a context manager that gives the lease back at its end."""

    def __init__(
        self,
        path: Path,
        claim: Claim,
        *,
        clock: Clock,
        wait_seconds: float,
        on_wait: Callable[[LeaseInfo], None] | None,
    ) -> None:
        super().__init__(path)
        self._clock = clock
        self._claim = claim
        self._turn = threading.Condition()
        self._queue: list[_Commit] = []
        self._writing = False
        self._closed = False
        self._writer_lock = threading.Lock()
        self._reader_lock = threading.Lock()
        self._writer = files.open_to_write(path)
        try:
            self._token = acquire(
                self._writer, path, claim, clock=clock, wait_seconds=wait_seconds, on_wait=on_wait
            ).token
            self._reader = files.open_to_read(path)
        except BaseException:
            files.close_written(self._writer)
            raise
        self.lineage = schema.fact(self._reader, "lineage")
        self._serial = int(schema.fact(self._reader, "serial"))
        self._heartbeat = Heartbeat(self.renew, seconds=claim.ttl / 3)

    def commit(
        self, entries: Sequence[Entry], records: Mapping[Address, Record | None] | None = None
    ) -> int:
        """Durably write journal lines and rows (None deletes a row) in one transaction.

        Returns the new serial. Thread-safe. Raises FencedError when the lease was taken over,
        StateError when a value is not JSON or the disk refuses. Then nothing was written, but
        where the sync itself failed, a restart of the machine may bring it to light.
        """
        mine = self._encoded(entries, records or {})
        with self._turn:
            if not self._wait_for_turn(mine):
                return mine.outcome()
            self._writing = True
            group, self._queue = self._queue, []
        try:
            self._write(group)
        finally:
            with self._turn:
                self._writing = False
                self._turn.notify_all()
        return mine.outcome()

    def renew(self) -> bool:
        """Prolong the lease by its time to live; False when there is no more to prolong."""
        try:
            with self._writer_lock, explained(self.path), files.transaction(self._writer):
                now, ttl = self._clock.now(), self._claim.ttl
                return lease.renew(self._writer, self._token, now=now, ttl=ttl)
        except StateError as problem:
            log.warning("state lease not renewed", extra={"problem": problem.message})
            return True  # the disk may come back before the lease expires

    def close(self) -> None:
        """Give the lease back. Waits for commits under way; does nothing the second time."""
        with self._turn:
            if self._closed:
                return
            self._turn.wait_for(lambda: not (self._writing or self._queue))
            self._closed = True
        self._heartbeat.stop()
        try:
            with explained(self.path), files.transaction(self._writer):
                lease.give_back(self._writer, self._token)
        except StateError as problem:
            log.warning("state lease not given back", extra={"problem": problem.message})
        finally:
            with self._reader_lock:
                self._reader.close()
            files.close_written(self._writer)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def token(self) -> int:
        """The fencing token of this session's lease."""
        return self._token

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._reader_lock, explained(self.path):
            self._refuse_closed()
            yield self._reader

    def _encoded(
        self, entries: Sequence[Entry], records: Mapping[Address, Record | None]
    ) -> _Commit:
        now, actor = self._clock.now(), self._claim.holder
        return _Commit(
            lines=[schema.entry_row(entry, now=now, actor=actor) for entry in entries],
            kept=[
                (str(at), schema.record_data(one)) for at, one in records.items() if one is not None
            ],
            dropped=[(str(at),) for at, one in records.items() if one is None],
        )

    def _wait_for_turn(self, mine: _Commit) -> bool:
        """Queue up; True when it is this thread's turn to write, False when another wrote."""
        self._refuse_closed()
        self._queue.append(mine)
        try:
            self._turn.wait_for(lambda: mine.settled or not self._writing)
        except BaseException:
            if mine in self._queue:  # interrupted while waiting: the caller must not believe
                self._queue.remove(mine)  # in a commit that somebody makes later
            raise
        return not mine.settled

    def _write(self, group: list[_Commit]) -> None:
        """Settle every commit of the group, together if possible."""
        try:
            with self._writer_lock, explained(self.path):
                self._transact(group)
        except Exception as problem:
            if len(group) > 1 and not isinstance(problem, StateError):
                for one in group:  # a row of one of them is at fault: the others go on
                    self._write([one])
                return
            for one in group:
                one.problem = problem
        except BaseException:
            for one in group:
                one.problem = StateError("the commit was interrupted; it may or may not be on disk")
            raise

    def _transact(self, group: list[_Commit]) -> None:
        with files.transaction(self._writer):
            lease.check(self._writer, self._token)
            for one in group:
                self._writer.executemany(schema.INSERT_ENTRY, one.lines)
                self._writer.executemany(schema.UPSERT_RECORD, one.kept)
                self._writer.executemany(schema.DELETE_RECORD, one.dropped)
            schema.set_fact(self._writer, "serial", self._serial + len(group))
        for one in group:
            self._serial += 1
            one.serial = self._serial

    def _refuse_closed(self) -> None:
        if self._closed:
            raise StateError(f"the session on {self.path} is closed")
