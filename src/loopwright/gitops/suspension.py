"""Suspends and resumes: one resource in its record, the whole environment in the journal.

The planner leaves suspended records alone; the watcher pauses while the environment is.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import datetime

from loopwright.clock import from_text, to_text
from loopwright.errors import StateError
from loopwright.manifests.diagnostics import nearest
from loopwright.resources.address import Address
from loopwright.state.records import Suspension
from loopwright.state.store import Entry, StateReader, StateSession

EVERYTHING = "*"
"""Address of the journal lines about the whole environment."""


def suspend(session: StateSession, address: Address | None, suspension: Suspension) -> int:
    """Suspend a resource, or with None everything. Returns how many records that were.

    Raises StateError for an address that state does not know.
    """
    found = _chosen(session, address)
    data = asdict(suspension)
    entries = [Entry("suspended", str(at), data=data) for at in found]
    if address is None:
        entries.append(Entry("suspended", EVERYTHING, data=data))
    records = session.records()
    session.commit(entries, {at: replace(records[at], suspension=suspension) for at in found})
    return len(found)


def resume(session: StateSession, address: Address | None) -> int:
    """End suspensions. Returns how many there were, that of the environment included."""
    records = session.records()
    found = [at for at in _chosen(session, address) if records[at].suspension]
    entries = [Entry("resumed", str(at)) for at in found]
    if address is None and _newest(session) is not None:
        entries.append(Entry("resumed", EVERYTHING))
    if entries:
        session.commit(entries, {at: replace(records[at], suspension=None) for at in found})
    return len(entries)


def environment_suspension(state: StateReader, now: datetime) -> Suspension | None:
    """The suspension of the whole environment, while it lasts."""
    found = _newest(state)
    if found is None or (found.until and from_text(found.until) <= now):
        return None
    return found


def in_words(suspension: Suspension) -> str:
    until = f" until {suspension.until}" if suspension.until else ""
    return f"suspended by {suspension.by}{until}: {suspension.reason}"


def new_suspension(*, by: str, reason: str, until: datetime | None, now: datetime) -> Suspension:
    return Suspension(by, reason, to_text(until) if until else "", to_text(now))


def _newest(state: StateReader) -> Suspension | None:
    for entry in state.journal(address=EVERYTHING, newest_first=True, limit=1):
        if entry.kind == "suspended":
            return Suspension(**entry.data)
    return None


def _chosen(state: StateReader, address: Address | None) -> list[Address]:
    records = state.records()
    if address is None:
        return sorted(records)
    if address not in records:
        near = nearest(str(address), map(str, records))
        raise StateError(
            f"{address} is not in the state",
            hint=f"did you mean {near}?" if near else "`loopwright get` lists what there is",
        )
    return [address]
