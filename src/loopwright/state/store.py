"""The state contract: who may only read, and who may write under a lease.

The planner and everything that explains takes a `StateReader`, so the type shows who can write.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from loopwright.resources.address import Address
from loopwright.state.records import Record


@dataclass(frozen=True, slots=True)
class Entry:
    """One journal line. `kind` is one of KINDS; the journal is audit log, history and resume."""

    kind: str
    address: str = ""
    run: str = ""
    """Id of the plan (or command) that it belongs to."""
    data: Mapping[str, Any] = field(default_factory=dict)
    seq: int = 0
    at: str = ""
    actor: str = ""


KINDS = (
    "started",
    "finished",
    "intent",
    "verdict",
    "poll",
    "record",
    "forgotten",
    "moved",
    "adopted",
    "lease",
    "suspended",
    "resumed",
    "rolled-back",
    "approved",
    "rejected",
    "refused",
    "drift-accepted",
    "upgraded",
    "erased",
)


@dataclass(frozen=True, slots=True)
class LeaseInfo:
    """Who holds the lock, since when, until when."""

    holder: str
    command: str
    token: int
    acquired_at: str
    expires_at: str


class StateReader(Protocol):
    """Reads; can never write."""

    lineage: str

    @property
    def serial(self) -> int: ...

    def addresses(self) -> Collection[Address]:
        """Of all records, without reading them."""
        ...

    def records(self) -> Mapping[Address, Record]: ...

    def record(self, address: Address) -> Record | None: ...

    def journal(
        self,
        *,
        address: str | None = None,
        run: str | None = None,
        after: int = 0,
        newest_first: bool = False,
        limit: int | None = None,
    ) -> Iterator[Entry]: ...

    def lease(self) -> LeaseInfo | None: ...


class StateSession(StateReader, Protocol):
    """Writes while it holds the lease; every write proves the fencing token."""

    def commit(
        self,
        entries: Sequence[Entry],
        records: Mapping[Address, Record | None] | None = None,
    ) -> int:
        """Durably write journal lines and rows (None deletes a row) in one transaction.

        Returns the new serial. Thread-safe; concurrent commits share one fsync. Raises
        FencedError when the lease was taken over, StateError when the disk refuses.
        """
        ...

    def close(self) -> None:
        """Give the lease back."""
        ...
