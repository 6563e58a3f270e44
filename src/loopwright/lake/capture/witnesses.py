"""What the logs in the spool and the rows of the lake say of captured calls, for an audit.

Reads numbers only. What moves from one to the other meanwhile is the auditor's to think of.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow.compute as pc

from loopwright.errors import LakeError, LakeIntegrityError
from loopwright.lake.capture.accounts import Account, Accounts, add_all
from loopwright.lake.capture.ledger import lake_secret
from loopwright.lake.capture.ranges import NONE, Ranges
from loopwright.lake.capture.spool import Gateway, SegmentFile, gateways
from loopwright.lake.capture.taking import take
from loopwright.lake.files import LakeFile
from loopwright.lake.keystore import LakeSecret
from loopwright.lake.reading import Selection
from loopwright.lake.store import Lake

Key = tuple[str, str]
"""Gateway and endpoint."""


@dataclass(slots=True)
class Logs:
    """What lies in the spool, by gateway."""

    accounts: dict[str, Accounts] = field(default_factory=lambda: defaultdict(dict))
    segments: dict[str, Ranges] = field(default_factory=dict)
    power_cuts: set[str] = field(default_factory=set)
    """Gateways under which the machine went down."""
    findings: list[str] = field(default_factory=list)
    """Segments that cannot be opened, or are not whole any more."""


@dataclass(slots=True)
class Rows:
    """The numbers of the rows that gateways captured: all, and those that were there before."""

    all: dict[Key, array[int]] = field(default_factory=lambda: defaultdict(lambda: array("q")))
    early: dict[Key, array[int]] = field(default_factory=lambda: defaultdict(lambda: array("q")))
    findings: list[str] = field(default_factory=list)
    """Files that cannot be read."""


def read_logs(lake: Lake, spool: Path | None) -> Logs:
    """What the segments in a lake's spool say; one that goes meanwhile is in the ledger by now.

    Raises LakeKeyError in a role that may not open logs, and OSError.
    """
    found = Logs()
    if spool is None or not spool.is_dir():
        return found
    secret = lake_secret(lake, LakeSecret.LOG)
    for gateway in gateways(spool):
        if gateway.lost_power:
            found.power_cuts.add(gateway.id)
        noted = {name: Account(up_to=number) for name, number in gateway.numbers.items()}
        add_all(found.accounts[gateway.id], noted)
        for segment in _segments(gateway):
            before = found.segments.get(gateway.id, NONE)
            found.segments[gateway.id] = before | Ranges.of([segment.number])
            with suppress(FileNotFoundError):
                _read(gateway, segment, secret, found)
    return found


def read_rows(lake: Lake, *, early: int) -> Rows:
    """The rows of the lake as they are now; `early` is the last ingest sequence of the early ones.

    Raises LakeError.
    """
    found = Rows()
    for file in lake.manifest.head().calls:
        try:
            for gateway_id, number, seq in _captured(lake, file):
                key = gateway_id, file.endpoint
                found.all[key].append(number)
                if seq <= early:
                    found.early[key].append(number)
        except LakeIntegrityError as error:
            found.findings.append(error.message)
    return found


def _segments(gateway: Gateway) -> list[SegmentFile]:
    try:
        return gateway.segments()
    except FileNotFoundError:
        return []


def _read(gateway: Gateway, segment: SegmentFile, secret: bytes, found: Logs) -> None:
    try:
        taken = take(gateway, segment, secret=secret)
    except LakeError as error:
        found.findings.append(f"{segment.path}: {error.message}")
        return
    add_all(found.accounts[gateway.id], taken.accounts)
    if taken.damaged:
        found.findings.append(f"{segment.path} is not whole")


def _captured(lake: Lake, file: LakeFile) -> Iterator[tuple[str, int, int]]:
    columns = ["gateway_id", "gateway_seq", "seq"]
    for batch in lake.reader.batches(file, columns, Selection.everything()):
        captured = batch.filter(pc.is_valid(batch["gateway_seq"]))
        yield from zip(*(captured[name].to_pylist() for name in columns), strict=True)
