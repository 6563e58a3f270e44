"""Appending calls: a batch becomes sorted, encrypted files and one commit, or nothing at all.

Calls that the lake knows already (by call id) are skipped, so repeating a batch adds nothing.
The lake's lock is held for one batch, so several processes may append at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from loopwright.errors import LakeError
from loopwright.lake.columns import as_table, numbered, skey
from loopwright.lake.files import Head, LakeFile
from loopwright.lake.partitions import endpoint_fits, partition_path
from loopwright.lake.store import Lake

BATCH_ROWS = 50_000
BATCH_BYTES = 96 << 20
_PART = 1024
Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AppendResult:
    """What an append did; `first_seq` and `last_seq` are None when nothing was added."""

    added: int
    duplicates: int
    first_seq: int | None
    last_seq: int | None


def append(lake: Lake, calls: Iterable[Record] | pa.Table) -> AppendResult:
    """Add calls in one atomic commit; those whose call id is known are counted and skipped.

    Records, or a table of them, as `columns.as_table` says. All are held in memory at once: cut a
    long series with `batches`. Raises LakeError when a record is not a call or the disk refuses;
    then nothing of the batch is in the lake.
    """
    given = calls if isinstance(calls, pa.Table) else as_table(calls)
    _check_endpoints(given)
    with lake.disk.lock(lake.lock_path):
        head = lake.manifest.head()
        fresh = _unknown(lake, head, given)
        if not fresh.num_rows:
            return AppendResult(0, given.num_rows, None, None)
        first, last = head.last_seq + 1, head.last_seq + fresh.num_rows
        added = _write(lake, numbered(fresh, first_seq=first))
        lake.manifest.commit(head, added=added, last_seq=last, at=lake.clock.now())
    return AppendResult(fresh.num_rows, given.num_rows - fresh.num_rows, first, last)


def batches(
    records: Iterable[Record], *, rows: int = BATCH_ROWS, text: int = BATCH_BYTES
) -> Iterator[pa.Table]:
    """The records as tables, each cut where it has `rows` rows or `text` bytes of columns."""
    given = iter(records)
    parts: list[pa.Table] = []
    while (part := as_table(islice(given, _PART))).num_rows:
        parts.append(part)
        if sum(one.num_rows for one in parts) >= rows or sum(one.nbytes for one in parts) >= text:
            yield pa.concat_tables(parts)
            parts = []
    if parts:
        yield pa.concat_tables(parts)


def _unknown(lake: Lake, head: Head, given: pa.Table) -> pa.Table:
    """The rows whose call id the lake has not, the first of equal ones."""
    call_ids = given["call_id"].to_pylist()
    seen = known_calls(lake, head, call_ids)
    fresh = []
    for call_id in call_ids:
        fresh.append(call_id not in seen)
        seen.add(call_id)
    return given if all(fresh) else given.filter(pa.array(fresh, pa.bool_()))


def known_calls(lake: Lake, head: Head, call_ids: Sequence[str]) -> set[str]:
    """Which of `call_ids` the lake has. Reads 8 bytes a row of it, and the ids where those meet."""
    if not call_ids:
        return set()
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


def _check_endpoints(table: pa.Table) -> None:
    for endpoint in pc.unique(table["endpoint"]).to_pylist():
        if not endpoint_fits(endpoint):
            raise LakeError(f"endpoint name {endpoint[:40]!r} is empty or too long")
