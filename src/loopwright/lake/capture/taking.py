"""What one segment of a log says: calls for the lake, feedback, and what became of the rest.

Reads and decides; nothing is changed here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from loopwright.lake.capture.accounts import Account, Accounts
from loopwright.lake.capture.frames import Kind, call_from_bytes, read
from loopwright.lake.capture.ranges import NONE, Ranges
from loopwright.lake.capture.records import CapturedCall
from loopwright.lake.capture.spool import Gateway, SegmentFile

_Settled = dict[tuple[str, str], list[tuple[int, int]]]
"""Runs by endpoint and reason."""


@dataclass(slots=True)
class Taken:
    """A segment's content; `damaged` when it was finished once and is not whole any more."""

    gateway: Gateway
    segment: SegmentFile
    accounts: Accounts
    calls: list[CapturedCall] = field(default_factory=list)
    feedback: list[dict[str, Any]] = field(default_factory=list)
    damaged: bool = False
    bytes: int = 0


def take(gateway: Gateway, segment: SegmentFile, *, secret: bytes) -> Taken:
    """Read a segment. Raises OSError, and LakeKeyError when another key sealed it."""
    data = segment.path.read_bytes()
    opened, frames = read(data, secret)
    told = _Telling()
    for kind, content in frames:
        told.add(kind, content)
    return Taken(
        gateway,
        segment,
        accounts=told.accounts(),
        calls=told.calls,
        feedback=told.feedback,
        damaged=segment.finished and opened.torn,
        bytes=len(data),
    )


class _Telling:
    """Gathers frames."""

    def __init__(self) -> None:
        self.calls: list[CapturedCall] = []
        self.feedback: list[dict[str, Any]] = []
        self._accepted: dict[str, list[int]] = defaultdict(list)
        self._delivered: dict[str, list[int]] = defaultdict(list)
        self._excluded: _Settled = defaultdict(list)
        self._lost: _Settled = defaultdict(list)
        self._up_to: dict[str, int] = {}

    def add(self, kind: Kind, content: bytes) -> None:
        match kind:
            case Kind.ACCEPTED:
                endpoint, seq, *_ = orjson.loads(content)
                self._accepted[endpoint].append(seq)
            case Kind.RECORD:
                call = call_from_bytes(content)
                self._delivered[call.ticket.endpoint].append(call.ticket.seq)
                self.calls.append(call)
            case Kind.EXCLUDED | Kind.LOST:
                endpoint, reason, runs = orjson.loads(content)
                held = self._lost if kind is Kind.LOST else self._excluded
                held[endpoint, reason].extend(runs)
            case Kind.FEEDBACK:
                self.feedback.append(orjson.loads(content))
            case Kind.END:
                self._up_to = orjson.loads(content)

    def accounts(self) -> Accounts:
        found: Accounts = defaultdict(Account)
        for endpoint, numbers in self._accepted.items():
            found[endpoint].accepted = Ranges.of(numbers)
        for endpoint, numbers in self._delivered.items():
            found[endpoint].delivered = Ranges.of(numbers)
        for (endpoint, reason), runs in self._excluded.items():
            found[endpoint].excluded[reason] = Ranges.joined(runs)
        for (endpoint, reason), runs in self._lost.items():
            found[endpoint].lost[reason] = Ranges.joined(runs)
        for endpoint, number in self._up_to.items():
            found[endpoint].up_to = number
        return dict(found)


def lost_by(accounts: Mapping[str, Account], *, marked: str, unmarked: str) -> Accounts:
    """What of a dead gateway's calls has no end: by those that left a marker, and the others."""
    lost: Accounts = {}
    for endpoint, account in accounts.items():
        open_ = account.all - account.settled
        without_marker = open_ - account.accepted
        found = {marked: open_ - without_marker}
        found[unmarked] = found.get(unmarked, NONE) | without_marker
        told = {reason: numbers for reason, numbers in found.items() if numbers}
        if told:
            lost[endpoint] = Account(lost=told)
    return lost
