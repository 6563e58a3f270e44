"""Opening the lake's Parquet files and reading rows from them, a row group at a time.

A file is opened only if it is the one that the file manifest names: its size and the digest of
its encrypted footer must fit. The footer binds every page (AES-GCM with the file's own unique
id), so a changed, truncated or swapped file is found and named without reading all of it.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, reduce
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from loopwright.errors import LakeError, LakeIntegrityError, LakeKeyError
from loopwright.lake.columns import COLUMNS, SCHEMA
from loopwright.lake.encryption import Encryption
from loopwright.lake.files import FileManifest, LakeFile
from loopwright.lake.tables import TABLES, Table

_TAIL = 8  # footer length and magic
_TEXT_ROWS = 2048
_METADATA_ROWS = 1 << 16


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which rows are wanted. Ranges are half-open; `ts` in microseconds since the epoch."""

    seq: tuple[int, int]
    skey: tuple[int, int] | None = None
    ts: tuple[int, int] | None = None
    where: pc.Expression | None = None

    @classmethod
    def everything(cls) -> Selection:
        return cls(seq=(0, 1 << 63))

    @cached_property
    def where_columns(self) -> frozenset[str]:
        """The columns that `where` looks at. Raises LakeError when it fits no call."""
        return frozenset() if self.where is None else expression_columns(self.where)

    def may_hold(self, file: LakeFile) -> bool:
        """Whether a file can hold such rows, from what the manifest says of it."""
        return (
            _overlap(self.seq, file.seq_min, file.seq_max)
            and (self.skey is None or _overlap(self.skey, file.skey_min, file.skey_max))
            and (self.ts is None or _overlap(self.ts, file.ts_min, file.ts_max))
        )

    def within(self, file: LakeFile) -> Selection:
        """The same rows, as far as they are the rows of `file`."""
        seq = (max(self.seq[0], file.seq_min), min(self.seq[1], file.seq_max + 1))
        return replace(self, seq=seq)

    def columns(self, file: LakeFile) -> set[str]:
        """The columns that have to be read to tell these rows from the others in `file`."""
        needed = set(self.where_columns)
        bounds = {
            "seq": (self.seq, file.seq_min, file.seq_max),
            "skey": (self.skey, file.skey_min, file.skey_max),
            "ts": (self.ts, file.ts_min, file.ts_max),
        }
        for name, (wanted, low, high) in bounds.items():
            if wanted is not None and not (wanted[0] <= low and high < wanted[1]):
                needed.add(name)
        return needed

    def keep(self, batch: pa.RecordBatch, needed: Collection[str]) -> pa.RecordBatch:
        """The wanted rows of `batch`, which has at least the `needed` columns."""
        ranges = {"seq": self.seq, "skey": self.skey, "ts": self.ts}
        masks = [
            _inside(batch.column(name), wanted)
            for name, wanted in ranges.items()
            if wanted is not None and name in needed
        ]
        if masks:
            batch = batch.filter(reduce(pc.and_, masks))
        if self.where is not None and batch.num_rows:
            kept = pa.Table.from_batches([batch]).filter(self.where).combine_chunks()
            batch = kept.to_batches()[0] if kept.num_rows else batch.slice(0, 0)
        return batch


class FileReader:
    """Reads files of one lake in the role of its keys."""

    def __init__(self, root: Path, *, encryption: Encryption, manifest: FileManifest) -> None:
        self._root = root
        self._encryption = encryption
        self._manifest = manifest

    def batches(
        self,
        file: LakeFile,
        columns: Sequence[str],
        selection: Selection,
        *,
        most_rows: int = _METADATA_ROWS,
    ) -> Iterator[pa.RecordBatch]:
        """The selected rows of `file` in skey order, also if it was compacted meanwhile.

        Batches are small: of `most_rows`, and of some MB where there is text.
        """
        for source, parquet in self._sources(file):
            wanted = selection.within(file)
            with _named(source), parquet:
                yield from _selected(source, parquet, columns, wanted, most_rows=most_rows)

    def picked(
        self, file: LakeFile, columns: Sequence[str], *, skeys: Sequence[int], cut: int
    ) -> Iterator[pa.Table]:
        """The rows of `file` whose skey is among the sorted `skeys`.

        Decodes only the row groups that hold one.
        """
        selection = Selection(seq=(0, cut + 1)).within(file)
        for source, parquet in self._sources(file):
            with _named(source), parquet:
                yield from _picked(source, parquet, columns, skeys=skeys, selection=selection)

    def open(self, file: LakeFile) -> pq.ParquetFile:
        """Raises FileNotFoundError, or LakeIntegrityError when it is not the recorded file."""
        with _named(file):
            source = pa.OSFile(str(self._root / file.path))
            size = source.size()
            if size != file.bytes:
                raise LakeIntegrityError(
                    f"lake file {file.path} has {size} bytes, the manifest says {file.bytes}"
                )
            if footer_digest(source) != file.footer_sha256:
                raise LakeIntegrityError(
                    f"lake file {file.path} was changed or swapped: "
                    "its footer is not the one in the manifest"
                )
            return self._encryption.open(source)

    def _sources(self, file: LakeFile) -> Iterator[tuple[LakeFile, pq.ParquetFile]]:
        """The file, or the files that its rows were moved to in the meantime.

        Compaction merges neighbours in ingest order only, and erasure and retention rewrite files
        one by one, so the rows of a file are always those of its own seq range, wherever they lie
        now. Rows that were erased lie nowhere: a file may have no heirs.
        """
        try:
            opened = self.open(file)
        except (FileNotFoundError, LakeKeyError) as error:
            gone = error
        else:
            yield file, opened
            return
        now = {other.path: other for other in self._manifest.head().files}
        heirs = [
            other
            for other in now.values()
            if other.partition == file.partition
            and _overlap((file.seq_min, file.seq_max + 1), other.seq_min, other.seq_max)
        ]
        if file.path in now:
            if isinstance(gone, LakeKeyError):
                raise gone
            raise LakeIntegrityError(f"lake file {file.path} is missing")
        for heir in heirs:
            yield from self._sources(heir)


def footer_digest(source: Any) -> str:
    """SHA-256 (hex) over the encrypted footer of an open Parquet file, with its length field."""
    size = source.size()
    length = int.from_bytes(source.read_at(_TAIL, max(0, size - _TAIL))[:4], "little") + _TAIL
    return hashlib.sha256(source.read_at(min(length, size), max(0, size - length))).hexdigest()


def skey_bounds(parquet: pq.ParquetFile, table: Table) -> list[tuple[int, int]]:
    """Least and greatest skey of every row group, from the footer."""
    metadata = parquet.metadata
    statistics = (
        metadata.row_group(group).column(table.skey_place).statistics
        for group in range(metadata.num_row_groups)
    )
    return [(found.min, found.max) for found in statistics]


def expression_columns(where: pc.Expression) -> frozenset[str]:
    """The columns that an expression looks at. Raises LakeError when it fits no call.

    Arrow does not tell; but an expression does not bind to a table that lacks one of them.
    """
    empty = SCHEMA.empty_table()
    try:
        empty.filter(where)
    except pa.ArrowException as error:
        raise LakeError(f"the condition {where} does not fit a call: {error}") from error
    return frozenset(name for name in COLUMNS if not _binds(where, empty.drop_columns([name])))


def _binds(where: pc.Expression, table: pa.Table) -> bool:
    try:
        table.filter(where)
    except pa.ArrowInvalid:
        return False
    return True


def _selected(
    file: LakeFile,
    parquet: pq.ParquetFile,
    columns: Sequence[str],
    selection: Selection,
    *,
    most_rows: int,
) -> Iterator[pa.RecordBatch]:
    table, needed = TABLES[file.table], selection.columns(file)
    read = [name for name in table.columns if name in needed or name in columns]
    has_text = any(name in table.text for name in read)
    groups = [
        group
        for group, bounds in enumerate(skey_bounds(parquet, table))
        if selection.skey is None or _overlap(selection.skey, *bounds)
    ]
    for batch in parquet.iter_batches(
        batch_size=min(most_rows, _TEXT_ROWS) if has_text else most_rows,
        row_groups=groups,
        columns=read or ["skey"],
        use_threads=False,
    ):
        kept = selection.keep(batch, needed)
        if kept.num_rows:
            yield kept.select(list(columns))


def _picked(
    file: LakeFile,
    parquet: pq.ParquetFile,
    columns: Sequence[str],
    *,
    skeys: Sequence[int],
    selection: Selection,
) -> Iterator[pa.Table]:
    every = skey_bounds(parquet, TABLES[file.table])
    groups = [group for group, bounds in enumerate(every) if _any_within(skeys, bounds)]
    if not groups:
        return
    needed = sorted(selection.columns(file) | {"skey"})
    keys = parquet.read_row_groups(groups, columns=needed, use_threads=False)
    mask = pc.is_in(keys["skey"], value_set=pa.array(skeys, pa.int64()))
    if "seq" in needed:
        mask = pc.and_(mask, _inside(keys["seq"], selection.seq))
    start = 0
    for group in groups:
        rows = parquet.metadata.row_group(group).num_rows
        wanted = mask.slice(start, rows)
        start += rows
        if pc.any(wanted).as_py():
            table = parquet.read_row_group(group, columns=list(columns), use_threads=False)
            yield table.filter(wanted).select(list(columns))


def _any_within(skeys: Sequence[int], bounds: tuple[int, int]) -> bool:
    place = bisect_left(skeys, bounds[0])
    return place < len(skeys) and skeys[place] <= bounds[1]


def _overlap(wanted: tuple[int, int], low: int, high: int) -> bool:
    return wanted[0] <= high and low < wanted[1]


def _inside(values: Any, wanted: tuple[int, int]) -> Any:
    if pa.types.is_timestamp(values.type):
        values = values.cast(pa.int64())
    return pc.and_(pc.greater_equal(values, wanted[0]), pc.less_equal(values, wanted[1] - 1))


@contextmanager
def _named(file: LakeFile) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise
    except (OSError, pa.ArrowException) as error:
        raise LakeIntegrityError(
            f"lake file {file.path} cannot be read as it was written: {error}"
        ) from error
