"""Emptying the logs of one lake: commit, tell, remove, in this order, and what follows from it.

Who calls it holds the recorder's lock of the spool folder.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loopwright.clock import Clock
from loopwright.errors import LakeError
from loopwright.lake.batch import Batch, BatchBuilder
from loopwright.lake.capture.accounts import Account
from loopwright.lake.capture.housekeeping import Housekeeping
from loopwright.lake.capture.ledger import Ledger, lake_secret
from loopwright.lake.capture.left import is_of, set_aside, take_up
from loopwright.lake.capture.ranges import NONE, Ranges
from loopwright.lake.capture.records import CapturedCall, Lost
from loopwright.lake.capture.spool import (
    Gateway,
    SegmentFile,
    SpoolDisk,
    gateways,
    remove_gateway,
)
from loopwright.lake.capture.taking import Taken, lost_by, take
from loopwright.lake.exchange import described
from loopwright.lake.feedback_columns import checked
from loopwright.lake.ingest import append, append_feedback
from loopwright.lake.keystore import LakeSecret
from loopwright.lake.store import Lake

_log = logging.getLogger(__name__)
_GROUP_CALLS = 20_000
_GROUP_BYTES = 64 << 20


_Row = tuple[Taken, CapturedCall, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Emptied:
    """What was taken from the logs."""

    calls: int = 0
    feedback: int = 0
    segments: int = 0

    def __add__(self, other: Emptied) -> Emptied:
        return Emptied(
            self.calls + other.calls,
            self.feedback + other.feedback,
            self.segments + other.segments,
        )


class Emptying:
    """The spool `folder` of one lake on its way into it."""

    def __init__(self, folder: Path, lake: Lake, *, clock: Clock, disk: SpoolDisk) -> None:
        self._folder = folder
        self._lake = lake
        self._disk = disk
        self._ledger = Ledger(lake, clock=clock)
        self._secret = lake_secret(lake, LakeSecret.LOG)
        self._housekeeping = Housekeeping(lake, clock=clock)

    def step(self) -> Emptied:
        """Take all that is there now. Raises LakeError and OSError; what was not taken stays."""
        if not (self._lake.root / "lake.json").is_file():  # a disk that is not mounted, say
            raise LakeError(f"there is no lake in {self._lake.root} any more")
        done = Emptied()
        take_up(self._folder, self._lake.lake_id, disk=self._disk)
        found = gateways(self._folder)
        for group in self._groups(found):
            done += self._record(group)
        for gateway in found:
            if not gateway.alive and not gateway.segments():
                if self._ledger.knows(gateway.id) or gateway.was_keyless:
                    self._close(gateway)
                else:  # another lake's, or it died before it took a call
                    remove_gateway(gateway)
        self._housekeeping.look_after()
        return done

    def _groups(self, found: Sequence[Gateway]) -> Iterator[list[Taken]]:
        """Segments to record together: many small ones in one commit, few large ones."""
        group: list[Taken] = []
        calls = size = 0
        for gateway in found:
            for segment in self._segments(gateway):
                taken = take(gateway, segment, secret=self._secret)
                group.append(taken)
                calls, size = calls + len(taken.calls), size + taken.bytes
                if calls >= _GROUP_CALLS or size >= _GROUP_BYTES:
                    yield group
                    group, calls, size = [], 0, 0
        if group:
            yield group

    def _segments(self, gateway: Gateway) -> Iterator[SegmentFile]:
        """Those that may be taken and were not, in order."""
        for segment in gateway.segments():
            if gateway.alive and not segment.finished:
                return
            if not is_of(segment, self._lake.lake_id):
                self._set_aside(gateway, segment)
                continue
            told = self._ledger.read(gateway.id)
            if not told.lines:  # it died before it could say so
                self._ledger.opened(gateway.id, spool=self._folder)
            if segment.number in told.segments:
                self._disk.remove(segment.path)
                continue
            if not segment.finished:
                # It may not be on disk yet; what is recorded from it must be.
                self._disk.sync_path(segment.path)
                self._disk.sync_path(gateway.folder)
            yield segment

    def _set_aside(self, gateway: Gateway, segment: SegmentFile) -> None:
        place = set_aside(self._folder, gateway, segment, disk=self._disk)
        _log.warning("calls are sealed for another lake, and set aside", extra={"in": str(place)})

    def _record(self, group: Sequence[Taken]) -> Emptied:
        batch = self._batch(group)
        if batch.rows:
            append(self._lake, batch, same_times=True)
        feedback = [row for taken in group for row in taken.feedback if _is_feedback(row)]
        if feedback:
            append_feedback(self._lake, feedback)
        for taken in group:
            self._ledger.recorded(
                taken.gateway.id,
                taken.segment.number,
                taken.accounts,
                damaged=taken.damaged,
            )
            self._disk.remove(taken.segment.path)
        self._housekeeping.note(batch)
        return Emptied(batch.rows, len(feedback), len(group))

    def _batch(self, group: Sequence[Taken]) -> Batch:
        """The calls of the segments; one that is no row of the lake is lost, alone."""
        rows = [(taken, call, self._row(taken, call)) for taken in group for call in taken.calls]
        try:
            return _built(rows)
        except LakeError:
            return _built(list(_fitting(rows)))

    def _row(self, taken: Taken, call: CapturedCall) -> dict[str, Any]:
        keys = self._lake.hash_keys
        row = described(call.operation, call.request, call.response, keys=keys)
        row.update(call.columns)
        if call.subject is not None:
            row["subject_key"] = keys.subject_key(call.subject)
        row["operation"] = call.operation
        row["call_id"] = call.ticket.call_id
        row["endpoint"] = call.ticket.endpoint
        row["gateway_id"] = taken.gateway.id
        row["gateway_seq"] = call.ticket.seq
        return row

    def _close(self, gateway: Gateway) -> None:
        """A gateway that is gone and left no segments: what has no end will never have one."""
        _, accounts = self._ledger.told(gateway.id)
        for endpoint, number in gateway.numbers.items():
            accounts.setdefault(endpoint, Account()).add(Account(up_to=number))
        marked, unmarked = _reasons(gateway)
        lost = lost_by(accounts, marked=marked, unmarked=unmarked)
        self._ledger.closed(gateway.id, lost, power_cut=gateway.lost_power)
        remove_gateway(gateway)


def _reasons(gateway: Gateway) -> tuple[Lost, Lost]:
    """Why calls without an end are lost: those that left a marker, and the others."""
    if gateway.was_keyless:
        return Lost.LAKE, Lost.LAKE
    if gateway.lost_power:
        return Lost.POWER, Lost.POWER
    return Lost.KILLED, Lost.DISK


def _built(rows: Sequence[_Row]) -> Batch:
    builder = BatchBuilder()
    for _, _, row in rows:
        builder.add(row)
    return builder.batch()


def _fitting(rows: Sequence[_Row]) -> Iterator[_Row]:
    """Those that the lake can hold; halves are tried, so that few misfits cost little."""
    try:
        _built(rows)
    except LakeError as error:
        if len(rows) == 1:
            _defect(rows[0][0], rows[0][1], error)
            return
        middle = len(rows) // 2
        yield from _fitting(rows[:middle])
        yield from _fitting(rows[middle:])
    else:
        yield from rows


def _defect(taken: Taken, call: CapturedCall, error: LakeError) -> None:
    ticket = call.ticket
    _log.warning("a call is no row of the lake", extra={"call": ticket.call_id, "why": str(error)})
    account = taken.accounts.setdefault(ticket.endpoint, Account())
    number = Ranges.of([ticket.seq])
    account.delivered -= number
    account.lost[Lost.DEFECT] = account.lost.get(Lost.DEFECT, NONE) | number


def _is_feedback(row: Mapping[str, Any]) -> bool:
    try:
        checked(row if row.get("endpoint") else {**row, "endpoint": "unknown"})
    except LakeError as error:
        _log.warning("feedback is no row of the lake", extra={"why": error.message})
        return False
    return True
