"""Appending calls: a batch becomes sorted, encrypted files and one commit, or nothing at all.

Calls that the lake knows already (by call id) are skipped, so repeating a batch adds nothing.
The lake's lock is held for one batch, so several processes may append at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import groupby
from typing import Any, NamedTuple

from loopwright.errors import LakeError
from loopwright.lake.columns import skey, tables
from loopwright.lake.files import Head, LakeFile
from loopwright.lake.partitions import endpoint_fits, partition_path
from loopwright.lake.store import Lake

BATCH_ROWS = 50_000
BATCH_BYTES = 96 << 20
_DAY = 86_400_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_REQUIRED = ("call_id", "ts", "endpoint", "request", "response")
Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AppendResult:
    """What an append did; `first_seq` and `last_seq` are None when nothing was added."""

    added: int
    duplicates: int
    first_seq: int | None
    last_seq: int | None


class _Row(NamedTuple):
    """A record and its place: rows compare by day, endpoint, skey and ingest sequence."""

    dt: str
    endpoint: str
    skey: int
    seq: int
    record: Record


def append(lake: Lake, records: Iterable[Record]) -> AppendResult:
    """Add calls in one atomic commit; those whose call id is known are counted and skipped.

    A record is a mapping with call_id, ts (aware datetime, or microseconds since the epoch),
    endpoint, request and response (JSON as text or UTF-8), and any other column of a call.
    All are held in memory at once: cut a long series with `batches`. Raises LakeError when a
    record is not a call or the disk refuses; then nothing of the batch is in the lake.
    """
    given = list(records)
    for record in given:
        _check(record)
    with lake.disk.lock(lake.lock_path):
        head = lake.manifest.head()
        seen = known_calls(lake, head, [record["call_id"] for record in given])
        fresh = [record for record in given if _is_new(record["call_id"], seen)]
        if not fresh:
            return AppendResult(0, len(given), None, None)
        first, last = head.last_seq + 1, head.last_seq + len(fresh)
        files: list[LakeFile] = []
        with lake.undone_unless_committed(head, files):
            for file in _written(lake, _rows(fresh, first_seq=first)):
                files.append(file)  # one by one: what is written before a failure is known
            lake.manifest.commit(head, added=tuple(files), last_seq=last, at=lake.clock.now())
    return AppendResult(len(fresh), len(given) - len(fresh), first, last)


def batches(
    records: Iterable[Record], *, rows: int = BATCH_ROWS, text: int = BATCH_BYTES
) -> Iterator[list[Record]]:
    """Cut a series where a batch has `rows` records or `text` bytes of request and response."""
    batch: list[Record] = []
    size = 0
    for record in records:
        batch.append(record)
        size += len(record["request"]) + len(record["response"])
        if len(batch) >= rows or size >= text:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def known_calls(lake: Lake, head: Head, call_ids: Sequence[str]) -> set[str]:
    """Which of `call_ids` the lake has. Reads 8 bytes a row of it, and the ids where those meet."""
    skeys = sorted({skey(call_id) for call_id in call_ids})
    asked = set(call_ids)
    known: set[str] = set()
    for file in head.files:
        for table in lake.reader.calls(file, ["call_id"], skeys=skeys, cut=head.last_seq):
            known.update(asked.intersection(table["call_id"].to_pylist()))
    return known


def _written(lake: Lake, rows: Sequence[_Row]) -> Iterator[LakeFile]:
    """One new file a partition; `rows` are sorted."""
    lake.keys.ensure({partition_path(row.dt, row.endpoint) for row in rows})
    for (dt, endpoint), run in groupby(rows, key=lambda row: (row.dt, row.endpoint)):
        records = ({**row.record, "seq": row.seq, "ts": micros(row.record)} for row in run)
        yield lake.writer.write(tables(records), dt=dt, endpoint=endpoint)


def _rows(records: Sequence[Record], *, first_seq: int) -> list[_Row]:
    return sorted(
        _Row(_day(micros(record) // _DAY), record["endpoint"], skey(record["call_id"]), seq, record)
        for seq, record in enumerate(records, start=first_seq)
    )


def micros(record: Record) -> int:
    """When the call arrived, in microseconds since the epoch."""
    ts = record["ts"]
    return ts if isinstance(ts, int) else (ts - _EPOCH) // timedelta(microseconds=1)


@lru_cache(maxsize=1024)
def _day(days: int) -> str:
    return (date(1970, 1, 1) + timedelta(days=days)).isoformat()


def _is_new(call_id: str, seen: set[str]) -> bool:
    new = call_id not in seen
    seen.add(call_id)
    return new


def _check(record: Record) -> None:
    for name in _REQUIRED:
        if record.get(name) is None:
            raise LakeError(f"a call has no {name}")
    if not endpoint_fits(record["endpoint"]):
        raise LakeError(f"endpoint name {record['endpoint'][:40]!r} is empty or too long")
