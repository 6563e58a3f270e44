"""Appending calls: a batch becomes sorted, encrypted files and one commit, or nothing at all.

Calls that the lake knows already (by call id) are skipped, so repeating a batch adds nothing.
The lake's lock is held for one batch, so several processes may append at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from loopwright.lake.batch import Batch, BatchBuilder, Record
from loopwright.lake.files import Head, LakeFile
from loopwright.lake.partitions import partition_path
from loopwright.lake.store import Lake
from loopwright.lake.writing import SMALL_ROW_GROUP


@dataclass(frozen=True, slots=True)
class AppendResult:
    """What an append did; `first_seq` and `last_seq` are None when nothing was added."""

    added: int
    duplicates: int
    first_seq: int | None
    last_seq: int | None


def append(lake: Lake, calls: Iterable[Record] | Batch) -> AppendResult:
    """Add calls in one atomic commit; those whose call id is known are counted and skipped.

    A record is a mapping with call_id, ts (aware datetime, or microseconds since the epoch),
    endpoint, request and response (JSON as text or UTF-8), and any other column of a call. All are
    held in memory at once: cut a long series with `batch.batches`. Raises LakeError when a record
    is not a call or the disk refuses; then nothing of the batch is in the lake.
    """
    given = calls if isinstance(calls, Batch) else _gathered(calls)
    with lake.disk.lock(lake.lock_path):
        head = lake.manifest.head()
        fresh = _without_known(lake, head, given)
        if not fresh.rows:
            return AppendResult(0, given.rows, None, None)
        first, last = head.last_seq + 1, head.last_seq + fresh.rows
        files: list[LakeFile] = []
        with lake.undone_unless_committed(head, files):
            runs = fresh.runs(first_seq=first)
            lake.keys.ensure({partition_path(run.dt, run.endpoint) for run in runs})
            for run in runs:
                file = lake.writer.write(
                    run.tables, dt=run.dt, endpoint=run.endpoint, row_group=SMALL_ROW_GROUP
                )
                files.append(file)
            lake.manifest.commit(head, added=tuple(files), last_seq=last, at=lake.clock.now())
    return AppendResult(fresh.rows, given.rows - fresh.rows, first, last)


def known_calls(lake: Lake, head: Head, given: Batch) -> set[str]:
    """Which calls of the batch the lake has, by id.

    Reads 8 bytes of every row of the lake, and the ids of those alone whose keys meet.
    """
    skeys = given.metadata["skey"].combine_chunks().sort().to_pylist()
    known: set[str] = set()
    for file in head.files:
        for table in lake.reader.calls(file, ["call_id"], skeys=skeys, cut=head.last_seq):
            known.update(table["call_id"].to_pylist())
    return known


def _gathered(records: Iterable[Record]) -> Batch:
    builder = BatchBuilder()
    for record in records:
        builder.add(record)
    return builder.batch()


def _without_known(lake: Lake, head: Head, given: Batch) -> Batch:
    """The calls whose id the lake has not, the first of equal ones."""
    seen = known_calls(lake, head, given)
    kept = []
    for call_id in given.call_ids:
        kept.append(call_id not in seen)
        seen.add(call_id)
    return given if all(kept) else given.only(kept)
