"""Compaction: a partition's small files become one sorted file, and leftovers are cleared away.

Rows keep their ids and sequence, so no snapshot and no dataset changes. Only files that follow
each other in ingest order are merged: the rows of a replaced file are then always those of its
own seq range, which is how an older snapshot finds them in the merged file.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import pyarrow as pa
import pyarrow.compute as pc

from loopwright.errors import LakeIntegrityError
from loopwright.lake.erasing.clearing import clear
from loopwright.lake.files import Head, LakeFile
from loopwright.lake.reading import Selection
from loopwright.lake.store import Lake
from loopwright.lake.tables import TABLES

TARGET_BYTES = 1 << 30
_MOST_FILES = 32  # open at once
_ROWS_AT_ONCE = 16384  # in memory, of all files together


@dataclass(frozen=True, slots=True)
class CompactionResult:
    """What a compaction did; `cleared` counts files that no commit named."""

    merged_files: int
    written_files: int
    rows: int
    cleared: int


def compact(
    lake: Lake, *, dts: Sequence[str] | None = None, target_bytes: int = TARGET_BYTES
) -> CompactionResult:
    """Merge neighbouring files of each partition (of the days `dts`) up to about `target_bytes`.

    Each merged file is one commit with a fresh data key; the files it replaces are removed after
    that. The lock is held for one merge at a time. A reader that holds an older snapshot finds
    the rows in the merged file. Raises LakeError and LakeIntegrityError; the lake is as before.
    """
    merged = written = rows = 0
    while True:
        with lake.writing() as head:
            run = _next_run(head, dts=dts, target_bytes=target_bytes)
            if not run:
                return CompactionResult(merged, written, rows, clear(lake, head))
            file = _merge(lake, head, run)
        merged, written, rows = merged + len(run), written + 1, rows + file.rows


def _next_run(head: Head, *, dts: Sequence[str] | None, target_bytes: int) -> tuple[LakeFile, ...]:
    """The first neighbours worth merging: at least two files of a partition that fit together.

    A file over half the target is left alone, or every small newcomer would rewrite it.
    """
    chosen = (file for file in head.files if dts is None or file.dt in dts)
    ordered = sorted(chosen, key=lambda file: (file.partition, file.seq_min))
    for _, partition in groupby(ordered, key=lambda file: file.partition):
        run: list[LakeFile] = []
        size = 0
        for file in partition:
            large = file.bytes > target_bytes // 2
            if large or size + file.bytes > target_bytes or len(run) == _MOST_FILES:
                if len(run) > 1:
                    return tuple(run)
                run, size = [], 0
            if not large:
                run.append(file)
                size += file.bytes
        if len(run) > 1:
            return tuple(run)
    return ()


def _merge(lake: Lake, head: Head, run: tuple[LakeFile, ...]) -> LakeFile:
    first = run[0]
    table = TABLES[first.table]
    streams = [
        lake.reader.batches(
            file, table.columns, Selection.everything(), most_rows=_ROWS_AT_ONCE // len(run)
        )
        for file in run
    ]
    removed = tuple(file.path for file in run)
    files: list[LakeFile] = []
    with lake.undone_unless_committed(head, files):
        merged = lake.writer.write(
            table,
            sorted_merge(streams),
            dt=first.dt,
            endpoint=first.endpoint,
            without_text=all(file.without_text for file in run),
        )
        files.append(merged)
        if merged.rows != sum(file.rows for file in run):
            raise LakeIntegrityError(f"merging {first.partition} lost rows: nothing was changed")
        lake.manifest.commit(
            head, added=(merged,), removed=removed, last_seq=head.last_seq, at=lake.clock.now()
        )
    for path in removed:
        lake.disk.discard(lake.root / path)
    return merged


def sorted_merge(streams: Sequence[Iterator[pa.RecordBatch]]) -> Iterator[pa.Table]:
    """The rows of streams that are each in skey order, in skey order.

    Holds one batch of every stream: what lies up to the least of their last keys is complete.
    """
    cursors = [cursor for stream in streams if (cursor := _Cursor(stream)).more()]
    while cursors:
        bound = min(cursor.last for cursor in cursors)
        ready = pa.concat_batches([cursor.up_to(bound) for cursor in cursors])
        order = pc.sort_indices(ready, [("skey", "ascending"), ("seq", "ascending")])
        yield pa.Table.from_batches([ready.take(order)])
        cursors = [cursor for cursor in cursors if cursor.more()]


class _Cursor:
    """One stream's place in a merge: a batch, and how much of it was given away."""

    def __init__(self, stream: Iterator[pa.RecordBatch]) -> None:
        self._stream = stream
        self._skeys: list[int] = []
        self._start = 0

    def more(self) -> bool:
        """Whether there are rows left; brings the next batch when this one is used up."""
        if self._start == len(self._skeys):
            batch = next(self._stream, None)
            if batch is None:
                return False
            self._batch, self._start = batch, 0
            self._skeys = batch["skey"].to_pylist()
        return True

    @property
    def last(self) -> int:
        return self._skeys[-1]

    def up_to(self, bound: int) -> pa.RecordBatch:
        """The rows not yet given whose skey is not past `bound`."""
        start, self._start = self._start, bisect_right(self._skeys, bound, lo=self._start)
        return self._batch.slice(start, self._start - start)
