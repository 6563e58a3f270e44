"""Steps from older formats of the state file to the current one.

A step sees a connection inside a transaction and changes tables and rows, nothing else. A step,
once released, never changes: `tests/state/fixtures` keeps a file of each older format.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

import orjson

from loopwright.state import schema


def upgrade(connection: sqlite3.Connection) -> int:
    """Bring the tables to the current format; returns the format that was found.

    Runs inside the caller's transaction, so that a file is wholly old or wholly new.
    """
    found = int(schema.fact(connection, "format"))
    for step in _STEPS[found - 1 :]:
        step(connection)
    schema.set_fact(connection, "format", schema.FORMAT)
    return found


def _name_actors_and_dependencies(connection: sqlite3.Connection) -> None:
    """1 -> 2: a journal line says who wrote it; `deps` of a record is called `dependencies`."""
    connection.execute("ALTER TABLE journal ADD COLUMN actor TEXT NOT NULL DEFAULT ''")
    rows = connection.execute("SELECT address, data FROM records").fetchall()
    for address, data in rows:
        record = orjson.loads(data)
        if "deps" in record:
            record["dependencies"] = record.pop("deps")
            connection.execute(
                "UPDATE records SET data = ? WHERE address = ?", (orjson.dumps(record), address)
            )


_STEPS: tuple[Callable[[sqlite3.Connection], None], ...] = (_name_actors_and_dependencies,)
