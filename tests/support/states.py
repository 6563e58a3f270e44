"""Small words for tests that write state."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from loopwright.resources.address import Address
from loopwright.state.records import Record
from loopwright.state.store import Entry, StateSession


def write(session: StateSession, name: str, **parts: Any) -> int:
    """Commit one record with its journal line; returns the serial."""
    address = Address("Lake", name)
    return session.commit([Entry("record", str(address))], {address: Record(address, **parts)})


def names(addresses: Iterable[Address]) -> list[str]:
    return [address.name for address in addresses]
