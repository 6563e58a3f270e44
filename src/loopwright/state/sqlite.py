"""The embedded store: `open_state` for readers, `session` for the one writer.

A reader opens the file anew at each call: it keeps no lock and no descriptor, so there is nothing
to close, and it sees what others commit. What only a writer needs is imported with the session.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from loopwright.clock import Clock
from loopwright.state import files, schema
from loopwright.state.reading import SqliteReads
from loopwright.state.refusals import explained
from loopwright.state.store import LeaseInfo

if TYPE_CHECKING:
    from loopwright.state.session import SqliteSession


class SqliteState(SqliteReads):
    """A StateReader of one file, which may not exist yet."""

    def __init__(self, path: Path, *, clock: Clock) -> None:
        super().__init__(path)
        self._clock = clock
        with self._reading() as connection:
            files.check_pages(connection, path)
            self.lineage = schema.fact(connection, "lineage")

    def session(
        self,
        *,
        holder: str,
        command: str,
        wait_seconds: float = 0,
        ttl: float = 60,
        on_wait: Callable[[LeaseInfo], None] | None = None,
    ) -> SqliteSession:
        """Take the lock and write; makes the file when it is missing, upgrades an older one.

        Waits up to `wait_seconds` for another holder, telling `on_wait` whom it waits for. The
        lock lives `ttl` seconds beyond the last sign of life of this process. Raises
        StateLockedError, StateError, StateVersionError.
        """
        from loopwright.state.acquiring import Claim
        from loopwright.state.session import SqliteSession

        session = SqliteSession(
            self.path,
            Claim(holder=holder, command=command, ttl=ttl),
            clock=self._clock,
            wait_seconds=wait_seconds,
            on_wait=on_wait,
        )
        self.lineage = session.lineage
        return session

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with explained(self.path), closing(files.open_to_read(self.path)) as connection:
            yield connection


def open_state(path: Path, *, clock: Clock) -> SqliteState:
    """The state at `path` (`.loopwright/ENV/state.db`); writes nothing, even when it is missing.

    Raises StateError when the file is damaged or no state, StateVersionError when it is newer.
    """
    return SqliteState(path, clock=clock)
