"""Becoming the one writer: waiting for the lease, taking it, bringing the file up to date.

All of it is one transaction, so nobody sees a lease without its journal line, and a live session
of an older loopwright never has its file upgraded beneath it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from loopwright.clock import Clock
from loopwright.errors import StateLockedError
from loopwright.state import files, lease, schema, upgrades
from loopwright.state.refusals import explained
from loopwright.state.store import Entry, LeaseInfo

_POLL_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Claim:
    """Who asks for the lease, for what, and for how many seconds after a sign of life."""

    holder: str
    command: str
    ttl: float


def acquire(
    connection: sqlite3.Connection,
    path: Path,
    claim: Claim,
    *,
    clock: Clock,
    wait_seconds: float,
    on_wait: Callable[[LeaseInfo], None] | None,
) -> LeaseInfo:
    """The lease, once it is ours. `on_wait` hears of each holder that is waited for.

    Raises StateLockedError when somebody still holds it after `wait_seconds`.
    """
    deadline = clock.now() + timedelta(seconds=wait_seconds)
    told = 0
    while True:
        try:
            with explained(path):
                return _take(connection, path, claim, clock=clock)
        except StateLockedError:
            if clock.now() >= deadline:
                raise
        with explained(path):
            held = lease.read(connection)
        if on_wait and held and held.info.token != told:
            told = held.info.token
            on_wait(held.info)
        clock.sleep(_POLL_SECONDS)


def _take(connection: sqlite3.Connection, path: Path, claim: Claim, *, clock: Clock) -> LeaseInfo:
    now = clock.now()
    with files.transaction(connection):
        taken = lease.take(
            connection, holder=claim.holder, command=claim.command, now=now, ttl=claim.ttl
        )
        lines = [*_upgraded(connection, path), *_taken_over(taken)]
        rows = [schema.entry_row(line, now=now, actor=claim.holder) for line in lines]
        connection.executemany(schema.INSERT_ENTRY, rows)
    return taken.info


def _upgraded(connection: sqlite3.Connection, path: Path) -> Iterator[Entry]:
    found = files.known_format(connection, path)
    if found == schema.FORMAT:
        return
    copy = path.with_name(f"{path.name}.v{found}.bak")
    files.keep_copy(path, copy)
    upgrades.upgrade(connection)
    facts = {"from": found, "to": schema.FORMAT, "copy": copy.name}
    yield Entry("upgraded", data=facts)


def _taken_over(taken: lease.Taken) -> Iterator[Entry]:
    if taken.over:
        facts = {
            "from": taken.over.holder,
            "command": taken.over.command,
            "token": taken.over.token,
            "because": taken.because,
            "newToken": taken.info.token,
        }
        yield Entry("lease", data=facts)
