"""Reading the state: what a reader and a session have in common."""

from __future__ import annotations

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from loopwright.resources.address import Address
from loopwright.state import lease, schema
from loopwright.state.records import Record
from loopwright.state.store import Entry, LeaseInfo

_PAGE = 500


class SqliteReads(ABC):
    """A StateReader over connections that the subclass provides.

    Every call sees the newest commit. Read `serial` before `records()`: a commit in between
    then makes a plan look older than it is, never newer.
    """

    lineage: str

    def __init__(self, path: Path) -> None:
        self.path = path

    @abstractmethod
    def _reading(self) -> AbstractContextManager[sqlite3.Connection]: ...

    @property
    def serial(self) -> int:
        """Number of commits ever made; 0 for an empty state."""
        with self._reading() as connection:
            return int(schema.fact(connection, "serial"))

    def addresses(self) -> list[Address]:
        """Of all records, sorted as text, without reading them."""
        with self._reading() as connection:
            rows = connection.execute("SELECT address FROM records ORDER BY address")
            return [Address.parse(address) for (address,) in rows]

    def records(self) -> dict[Address, Record]:
        """All records, by address. Raises StateError when a row cannot be read."""
        with self._reading() as connection:
            rows = connection.execute("SELECT address, data FROM records ORDER BY address")
            found = [schema.record_of(address, data) for address, data in rows]
        return {record.address: record for record in found}

    def record(self, address: Address) -> Record | None:
        with self._reading() as connection:
            row = connection.execute(
                "SELECT address, data FROM records WHERE address = ?", (str(address),)
            ).fetchone()
        return schema.record_of(*row) if row else None

    def journal(
        self,
        *,
        address: str | None = None,
        run: str | None = None,
        after: int = 0,
        newest_first: bool = False,
        limit: int | None = None,
    ) -> Iterator[Entry]:
        """Journal lines with a `seq` above `after`, read a page at a time as they are taken."""
        chosen = [(f"{name} = ?", value) for name, value in (("address", address), ("run", run))]
        where = [(test, value) for test, value in chosen if value is not None]
        edge: int | None = None
        left = limit
        while left is None or left > 0:
            bounds: list[tuple[str, Any]] = [*where, ("seq > ?", after)]
            if edge is not None:
                bounds.append(("seq < ?" if newest_first else "seq > ?", edge))
            size = _PAGE if left is None else min(_PAGE, left)
            page = self._page(bounds, newest_first=newest_first, size=size)
            yield from page
            if len(page) < size:
                return
            edge = page[-1].seq
            left = None if left is None else left - len(page)

    def lease(self) -> LeaseInfo | None:
        """Who holds the lock, even when it has expired; None when it is free."""
        with self._reading() as connection:
            held = lease.read(connection)
        return held.info if held else None

    def _page(self, bounds: list[tuple[str, Any]], *, newest_first: bool, size: int) -> list[Entry]:
        query = (
            f"SELECT {schema.COLUMNS} FROM journal WHERE {' AND '.join(test for test, _ in bounds)}"
            f" ORDER BY seq {'DESC' if newest_first else 'ASC'} LIMIT ?"
        )
        with self._reading() as connection:
            rows = connection.execute(query, [*(value for _, value in bounds), size]).fetchall()
        return [schema.entry_of(row) for row in rows]
