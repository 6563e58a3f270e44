"""Appending calls and feedback: sorted, encrypted files and one commit, or nothing at all.

What the lake knows already (by its id) is skipped, so repeating a batch adds nothing, and so is
what was erased from it. The lake's lock is held for one batch, so several processes may append at
once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from loopwright.lake import feedback
from loopwright.lake.batch import Batch, BatchBuilder, Record, Run
from loopwright.lake.erasing.tombstones import Tombstones
from loopwright.lake.files import Head, LakeFile
from loopwright.lake.lookup import known_ids
from loopwright.lake.partitions import partition_name
from loopwright.lake.store import Lake
from loopwright.lake.tables import CALL_TABLE, FEEDBACK_TABLE, Table
from loopwright.lake.writing import SMALL_ROW_GROUP


@dataclass(frozen=True, slots=True)
class AppendResult:
    """What an append did; `first_seq` and `last_seq` are None when nothing was added."""

    added: int
    duplicates: int
    first_seq: int | None
    last_seq: int | None


def append(
    lake: Lake, calls: Iterable[Record] | Batch, *, same_times: bool = False
) -> AppendResult:
    """Add calls in one atomic commit; those whose call id is known are counted and skipped.

    With `same_times` a call that comes again has the time that it had, so known ones are looked
    for in files of these times only: what is added stays cheap however large the lake is.

    A record is a mapping with call_id, ts (aware datetime, or microseconds since the epoch),
    endpoint, request and response (JSON as text or UTF-8), and any other column of a call. All are
    held in memory at once: cut a long series with `batch.batches`. Raises LakeError when a record
    is not a call or the disk refuses; then nothing of the batch is in the lake.
    """
    given = calls if isinstance(calls, Batch) else _gathered(calls)
    with lake.writing() as head:
        fresh = _without_known(lake, head, given, same_times=same_times)
        runs = fresh.runs(first_seq=head.last_seq + 1)
        return _committed(lake, head, CALL_TABLE, runs, rows=fresh.rows, given=given.rows)


def append_feedback(lake: Lake, rows: Iterable[Record]) -> AppendResult:
    """Add feedback in one atomic commit; rows whose feedback id is known are skipped.

    A row is as `feedback_columns.checked` wants it. Without an endpoint it gets its call's, or
    "unknown" where the lake has no such call. Raises LakeError when a row is not feedback or the
    disk refuses; then nothing of the batch is in the lake.
    """
    given = list(rows)
    with lake.writing() as head:
        fresh = feedback.fresh_rows(lake, head, given)
        runs = feedback.runs(fresh, first_seq=head.last_seq + 1)
        return _committed(lake, head, FEEDBACK_TABLE, runs, rows=len(fresh), given=len(given))


def known_calls(lake: Lake, head: Head, given: Batch, *, same_times: bool = False) -> set[str]:
    """Which calls of the batch the lake has, by id."""
    skeys = given.metadata["skey"].combine_chunks().sort().to_pylist()
    files: Sequence[LakeFile] = head.calls
    if same_times and given.rows:
        found = pc.min_max(given.metadata["ts"].cast(pa.int64())).as_py()
        files = [
            file for file in files if file.ts_min <= found["max"] and found["min"] <= file.ts_max
        ]
    return known_ids(lake, head, files, column="call_id", skeys=skeys)


def _gathered(records: Iterable[Record]) -> Batch:
    builder = BatchBuilder()
    for record in records:
        builder.add(record)
    return builder.batch()


def _without_known(lake: Lake, head: Head, given: Batch, *, same_times: bool) -> Batch:
    """The calls whose id the lake neither has nor erased, the first of equal ones."""
    call_ids = given.call_ids
    seen = known_calls(lake, head, given, same_times=same_times)
    seen |= Tombstones(lake).among(call_ids)
    kept = []
    for call_id in call_ids:
        kept.append(call_id not in seen)
        seen.add(call_id)
    return given if all(kept) else given.only(kept)


def _committed(
    lake: Lake, head: Head, table: Table, runs: Sequence[Run], *, rows: int, given: int
) -> AppendResult:
    """Write the `runs`, numbered from the head on, and commit them together."""
    if not rows:
        return AppendResult(0, given, None, None)
    first, last = head.last_seq + 1, head.last_seq + rows
    files: list[LakeFile] = []
    with lake.undone_unless_committed(head, files):
        lake.keys.ensure({partition_name(table.name, run.dt, run.endpoint) for run in runs})
        for run in runs:
            file = lake.writer.write(
                table, run.tables, dt=run.dt, endpoint=run.endpoint, row_group=SMALL_ROW_GROUP
            )
            files.append(file)
        lake.manifest.commit(head, added=tuple(files), last_seq=last, at=lake.clock.now())
    return AppendResult(rows, given - rows, first, last)
