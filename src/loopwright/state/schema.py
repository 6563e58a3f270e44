"""What the state file holds: its tables, and how records and journal lines become rows.

Knows SQL text and JSON, not files, locks or leases. A change here needs a new FORMAT and a step
in `upgrades`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson

from loopwright.clock import to_text
from loopwright.errors import StateError
from loopwright.state.records import Record
from loopwright.state.store import KINDS, Entry

FORMAT = 2

TABLES = (
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID",
    "CREATE TABLE records (address TEXT PRIMARY KEY, data BLOB NOT NULL)",
    """
    CREATE TABLE journal (
        seq INTEGER PRIMARY KEY,
        at TEXT NOT NULL,
        kind TEXT NOT NULL,
        address TEXT NOT NULL,
        run TEXT NOT NULL,
        actor TEXT NOT NULL DEFAULT '',
        data BLOB NOT NULL
    )
    """,
    "CREATE INDEX journal_by_address ON journal (address)",
    "CREATE INDEX journal_by_run ON journal (run)",
    """
    CREATE TABLE lease (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        token INTEGER NOT NULL,
        holder TEXT NOT NULL,
        command TEXT NOT NULL,
        acquired_at TEXT NOT NULL,
        expires_at TEXT NOT NULL,
        host TEXT NOT NULL,
        pid_space TEXT NOT NULL,
        pid INTEGER NOT NULL,
        started TEXT NOT NULL
    )
    """,
)

COLUMNS = "seq, at, kind, address, run, actor, data"
INSERT_ENTRY = "INSERT INTO journal (at, kind, address, run, actor, data) VALUES (?, ?, ?, ?, ?, ?)"
UPSERT_RECORD = (
    "INSERT INTO records (address, data) VALUES (?, ?) "
    "ON CONFLICT (address) DO UPDATE SET data = excluded.data"
)
DELETE_RECORD = "DELETE FROM records WHERE address = ?"


def lay_out(connection: sqlite3.Connection, *, lineage: str) -> None:
    """Make the tables of an empty state."""
    for statement in TABLES:
        connection.execute(statement)
    facts = [("format", FORMAT), ("lineage", lineage), ("serial", 0)]
    connection.executemany("INSERT INTO meta (key, value) VALUES (?, ?)", facts)


def fact(connection: sqlite3.Connection, key: str) -> Any:
    """One value of `meta`; None when it is not there."""
    row = connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return row[0] if row else None


def set_fact(connection: sqlite3.Connection, key: str, value: object) -> None:
    connection.execute("UPDATE meta SET value = ? WHERE key = ?", (value, key))


def entry_row(entry: Entry, *, now: datetime, actor: str) -> tuple[object, ...]:
    """The row of a journal line; `now` and `actor` fill what the line leaves empty.

    Raises ValueError for an unknown kind, StateError for data that JSON cannot say.
    """
    if entry.kind not in KINDS:
        raise ValueError(f"{entry.kind!r} is not a kind of journal line; known: {', '.join(KINDS)}")
    data = _encode(entry.data, of=f"the {entry.kind} line of {entry.address or 'the journal'}")
    at = entry.at or to_text(now)
    return (at, entry.kind, entry.address, entry.run, entry.actor or actor, data)


def entry_of(row: tuple[Any, ...]) -> Entry:
    """The journal line of a row read as COLUMNS."""
    seq, at, kind, address, run, actor, data = row
    values = orjson.loads(data)
    return Entry(kind=kind, address=address, run=run, data=values, seq=seq, at=at, actor=actor)


def record_data(record: Record) -> bytes:
    """Raises StateError for a value that JSON cannot say."""
    return _encode(record.to_json(), of=str(record.address))


def record_of(address: str, data: bytes) -> Record:
    """Raises StateError when the row is not a record."""
    try:
        return Record.from_json(orjson.loads(data))
    except (TypeError, ValueError, KeyError) as problem:
        raise StateError(
            f"the state's row of {address} cannot be read: {problem}",
            hint=f"Restore a copy of the state, or `loopwright state rm {address}` and adopt it.",
        ) from problem


def _encode(value: Mapping[str, Any], *, of: str) -> bytes:
    try:
        return orjson.dumps(value, default=_plain)
    except TypeError as problem:
        raise StateError(f"{of} cannot be stored as JSON: {problem}") from problem


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is not JSON")
