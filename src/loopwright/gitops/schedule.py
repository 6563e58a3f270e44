"""When to look at the world again: due times computed from state, backoff included. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from loopwright.clock import from_text
from loopwright.gitops.declaring import Good
from loopwright.resources.address import Address
from loopwright.resources.durations import parse_duration
from loopwright.state.records import Record, RunStatus

FIRST_PAUSE = 5.0
LONGEST_PAUSE = 600.0
_SHORTEST_POLL = 0.5
_UNANSWERED_FIRST = 5.0


class Why(StrEnum):
    """What makes a pass due."""

    START = "start"
    REVISION = "a new revision"
    RUNNING = "running work"
    FOLLOWED = "what the last pass did"
    SCHEDULE = "a schedule"
    RETRY = "a retry"
    RESUMED = "the end of a suspension"
    FAILED_PASS = "the last pass failed"
    LOCKED = "the state was locked"
    INTERVAL = "the interval"

    @property
    def is_light(self) -> bool:
        """Whether state alone tells what is to be done."""
        return self in (Why.RUNNING, Why.FOLLOWED)


@dataclass(frozen=True, slots=True, order=True)
class Due:
    """A pass that is wanted at a moment."""

    at: datetime
    why: Why


def pause_after(failures: int) -> float:
    """Seconds before trying again after so many failures in a row: 5, 10, 20 ... 600."""
    return min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(failures - 1, 20))


def held_back(good: Good, records: Mapping[Address, Record]) -> dict[Address, datetime]:
    """What failed and is not to be tried before a moment.

    A failure from before the revision is forgiven, and so is one that is older than the newest
    change of something the resource needs.
    """
    found = {}
    for address in good.declared.graph.order:
        record = records.get(address)
        if record is None or not _is_tried_again(record):
            continue
        failed_at = from_text(record.updated_at)
        if failed_at >= good.since and not _anything_newer(good, records, address, failed_at):
            before = good.failures.get(address, 0)
            times = record.failures - before if record.failures > before else record.failures
            found[address] = failed_at + timedelta(seconds=pause_after(times))
    return found


def _anything_newer(
    good: Good, records: Mapping[Address, Record], address: Address, moment: datetime
) -> bool:
    needed = (records.get(need) for need in good.declared.graph.needs(address))
    return any(
        record.updated_at and not record.failures and from_text(record.updated_at) > moment
        for record in needed
        if record
    )


def dues(
    good: Good,
    records: Mapping[Address, Record],
    *,
    considered: datetime,
    polled: datetime,
) -> Iterator[Due]:
    """Every moment that state knows of.

    What was due when the last plan was made, at `considered`, was decided by it and is not due
    again. Running work was looked at last at `polled`.
    """
    for record in records.values():
        if record.pending:
            yield Due(polled + timedelta(seconds=_poll_pause(record, polled)), Why.RUNNING)
        elif record.suspension and record.suspension.until:
            yield from _later(from_text(record.suspension.until), considered, Why.RESUMED)
    for moment in held_back(good, records).values():
        yield from _later(moment, considered, Why.RETRY)
    for address, resource in good.declared.resources.items():
        current = records[address].current_revision if address in records else None
        if resource.trigger.every and current:
            made = from_text(current.finished_at or current.started_at)
            period = timedelta(seconds=parse_duration(resource.trigger.every))
            yield from _later(made + period, considered, Why.SCHEDULE)


def _later(moment: datetime, considered: datetime, why: Why) -> Iterator[Due]:
    if moment > considered:
        yield Due(moment, why)


def _is_tried_again(record: Record) -> bool:
    """A run that failed for good waits for a person or an edit; all else is tried again."""
    if record.pending or not record.failures or not record.updated_at:
        return False
    newest = record.newest
    return newest is None or newest.status is not RunStatus.FAILED or newest.transient


def _poll_pause(record: Record, now: datetime) -> float:
    """As long as the provider asks; without an answer ever longer, from 5 s to 10 minutes."""
    pending = record.pending
    if pending is None:
        return LONGEST_PAUSE
    if pending.sent:
        return max(_SHORTEST_POLL, float(pending.operation.get("poll_after", 1.0)))
    age = (now - from_text(pending.since)).total_seconds() if pending.since else 0.0
    return min(LONGEST_PAUSE, max(_UNANSWERED_FIRST, age / 2))
