"""Appending calls: a batch becomes sorted, encrypted files and one commit, or nothing at all.

Calls that the lake knows already (by call id) are skipped, so repeating a batch adds nothing.
The lake's lock is held for one batch, so several processes may append at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import pyarrow as pa

from loopwright.errors import LakeError
from loopwright.lake.columns import as_table, missing_required, skey
from loopwright.lake.files import Head, LakeFile
from loopwright.lake.partitions import endpoint_fits, partition_path
from loopwright.lake.store import Lake

BATCH_ROWS = 50_000
BATCH_BYTES = 160 << 20
Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AppendResult:
    """What an append did; `first_seq` and `last_seq` are None when nothing was added."""

    added: int
    duplicates: int
    first_seq: int | None
    last_seq: int | None


def append(lake: Lake, records: Iterable[Record]) -> AppendResult:
    """Add calls in one atomic commit; those whose call id is known are counted and skipped.

    Records as in `columns.as_table`. All of them are held in memory: cut long series with
    `batches`. Raises LakeError when a record is not a call or the disk refuses; then nothing of
    the batch is in the lake.
    """
    given = list(records)
    for record in given:
        _check(record)
    unique = {record["call_id"]: record for record in reversed(given)}
    with lake.disk.lock(lake.lock_path):
        head = lake.manifest.head()
        known = known_calls(lake, head, list(unique))
        fresh = [record for record in reversed(unique.values()) if record["call_id"] not in known]
        if not fresh:
            return AppendResult(0, len(given), None, None)
        first = head.last_seq + 1
        last = head.last_seq + len(fresh)
        added = _write(lake, as_table(fresh, first_seq=first))
        lake.manifest.commit(head, added=added, last_seq=last, at=lake.clock.now())
    return AppendResult(len(fresh), len(given) - len(fresh), first, last)


def batches(
    records: Iterable[Record], *, rows: int = BATCH_ROWS, text: int = BATCH_BYTES
) -> Iterator[list[Record]]:
    """Cut a series where a batch has `rows` records or `text` characters of text."""
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
        if file.skey_min <= skeys[-1] and skeys[0] <= file.skey_max:
            for table in lake.reader.calls(file, ["call_id"], skeys=skeys, cut=head.last_seq):
                known.update(asked.intersection(table["call_id"].to_pylist()))
    return known


def _write(lake: Lake, table: pa.Table) -> tuple[LakeFile, ...]:
    """Write each partition's rows, sorted by skey, as one new file."""
    keyed = table.append_column("dt", table["ts"].cast(pa.date32()))
    ordered = keyed.sort_by([(name, "ascending") for name in ("dt", "endpoint", "skey")])
    days = [day.isoformat() for day in ordered["dt"].to_pylist()]
    partitions = list(zip(days, ordered["endpoint"].to_pylist(), strict=True))
    lake.keys.ensure({partition_path(dt, endpoint) for dt, endpoint in set(partitions)})
    rows = ordered.drop_columns(["dt"])
    files, start = [], 0
    for (dt, endpoint), run in groupby(partitions):
        count = sum(1 for _ in run)
        files.append(lake.writer.write([rows.slice(start, count)], dt=dt, endpoint=endpoint))
        start += count
    return tuple(files)


def _check(record: Record) -> None:
    if missing := missing_required(record):
        raise LakeError(f"a call has no {' and no '.join(missing)}")
    if not endpoint_fits(record["endpoint"]):
        raise LakeError(f"endpoint name {record['endpoint'][:40]!r} is empty or too long")
