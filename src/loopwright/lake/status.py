"""A lake in numbers, from the file manifest alone. Nothing here opens a file."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

from loopwright.lake.files import LakeFile


@dataclass(frozen=True, slots=True)
class PartitionStatus:
    """What lies under one (day, endpoint): times are microseconds since the epoch."""

    dt: str
    endpoint: str
    rows: int
    files: int
    bytes: int
    ts_min: int
    ts_max: int


@dataclass(frozen=True, slots=True)
class LakeStatus:
    """A lake in numbers. `complete_through`: every call committed up to then can be seen; it never
    goes back, also where the clock of the machine does.

    `partitions` are those of calls; `files` and `bytes` count feedback too.
    """

    lake_id: str
    calls: int
    feedback: int
    files: int
    bytes: int
    partitions: tuple[PartitionStatus, ...]
    last_seq: int
    visible_seq: int
    complete_through: datetime
    visibility_delay: timedelta
    master_key_id: str
    key_ids: dict[str, str]


def partition_status(files: Collection[LakeFile]) -> Iterator[PartitionStatus]:
    """One line a day and endpoint, in that order."""
    ordered = sorted(files, key=lambda file: (file.dt, file.endpoint))
    for (dt, endpoint), group in groupby(ordered, key=lambda file: (file.dt, file.endpoint)):
        held = list(group)
        yield PartitionStatus(
            dt=dt,
            endpoint=endpoint,
            rows=sum(file.rows for file in held),
            files=len(held),
            bytes=sum(file.bytes for file in held),
            ts_min=min(file.ts_min for file in held),
            ts_max=max(file.ts_max for file in held),
        )
