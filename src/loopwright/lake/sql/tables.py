"""A table of the lake as DuckDB scans it.

DuckDB asks a dataset for columns and a filter once for every scan, and pulls batches as it wants
them; ours come from the lake's own reader, so files are checked and openings of text recorded.
Files that cannot hold a wanted row are not opened.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from pyarrow.fs import LocalFileSystem

from loopwright.errors import LoopwrightError
from loopwright.lake.files import LakeFile
from loopwright.lake.partitions import CALLS
from loopwright.lake.snapshot import Snapshot
from loopwright.lake.tables import Table

DAY = "dt"
"""The UTC day of `ts`; no file has it as a column."""

_PURPOSE = "sql"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


# pyarrow has no types: to mypy its classes are Any.
class LakeTable(ds.Dataset):  # type: ignore[misc]
    """Rows of one table of a snapshot, as a dataset that Arrow itself knows nothing of."""

    def __init__(self, snapshot: Snapshot, table: Table) -> None:
        self._snapshot = snapshot
        self._table = table
        self._schema = view_schema(table)
        self.failure: LoopwrightError | None = None
        """Why a scan failed; DuckDB would only tell the words."""

    @property
    def schema(self) -> pa.Schema:
        return self._schema

    def scanner(
        self,
        columns: Sequence[str] | None = None,
        filter: pc.Expression | None = None,
        **options: Any,
    ) -> _Scan:
        """One scan: these columns of the rows that the filter lets pass."""
        del options
        wanted = list(columns) if columns is not None else list(self._schema.names)
        schema = pa.schema([self._schema.field(name) for name in wanted])
        batches = self._batches(schema, filter)
        return _Scan(pa.RecordBatchReader.from_batches(schema, self._watched(batches)))

    def _batches(self, schema: pa.Schema, where: pc.Expression | None) -> Iterator[pa.RecordBatch]:
        seen = set(schema.names) | _columns_of(where, self._schema)
        read = [name for name in self._table.columns if name in seen]
        if DAY in seen and "ts" not in read:
            read.append("ts")
        for batch in self._read(read, where):
            dated = batch
            if DAY in seen:
                dated = batch.append_column(DAY, batch.column("ts").cast(pa.date32()))
            for kept in _filtered(dated, where):
                yield kept.select(schema.names)

    def _read(
        self, columns: Sequence[str], where: pc.Expression | None
    ) -> Iterator[pa.RecordBatch]:
        found = self._snapshot
        if self._table.name == CALLS:
            files = _may_hold(found.files, where, self._schema)
            return replace(found, files=files).scan(columns, purpose=_PURPOSE)
        files = _may_hold(found.feedback_files, where, self._schema)
        return replace(found, feedback_files=files).feedback(columns, purpose=_PURPOSE)

    def _watched(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        try:
            yield from batches
        except LoopwrightError as error:
            self.failure = error
            raise


# pyarrow has no types: to mypy its classes are Any.
class _Scan(ds.Scanner):  # type: ignore[misc]
    """What DuckDB takes batches from."""

    def __init__(self, reader: pa.RecordBatchReader) -> None:
        self._reader = reader

    @property
    def projected_schema(self) -> pa.Schema:
        return self._reader.schema

    def to_reader(self) -> pa.RecordBatchReader:
        return self._reader


def view_schema(table: Table) -> pa.Schema:
    """The columns of a view: time and day first, since DuckDB counts rows by the first column."""
    rest = [field for field in table.schema if field.name != "ts"]
    day = pa.field(DAY, pa.date32(), nullable=False)
    return pa.schema([table.schema.field("ts"), day, *rest])


def _columns_of(where: pc.Expression | None, schema: pa.Schema) -> set[str]:
    """The columns that a filter looks at: it binds to no table that lacks one of them."""
    if where is None:
        return set()
    empty = schema.empty_table()
    return {name for name in schema.names if not _binds(where, empty.drop_columns([name]))}


def _binds(where: pc.Expression, table: pa.Table) -> bool:
    try:
        table.filter(where)
    except pa.ArrowInvalid:
        return False
    return True


def _filtered(batch: pa.RecordBatch, where: pc.Expression | None) -> Iterator[pa.RecordBatch]:
    if where is None:
        yield batch
    else:
        yield from pa.Table.from_batches([batch]).filter(where).to_batches()


def _may_hold(
    files: Sequence[LakeFile], where: pc.Expression | None, schema: pa.Schema
) -> tuple[LakeFile, ...]:
    """The files that can hold a row which the filter lets pass; Arrow decides, opening none."""
    if where is None:
        return tuple(files)
    layout = ds.ParquetFileFormat()
    fragments = [
        layout.make_fragment(
            str(place), filesystem=LocalFileSystem(), partition_expression=_known_of(file)
        )
        for place, file in enumerate(files)
    ]
    known = ds.FileSystemDataset(fragments, schema, layout, LocalFileSystem())
    return tuple(files[int(found.path)] for found in known.get_fragments(filter=where))


def _known_of(file: LakeFile) -> pc.Expression:
    """What the file manifest says of every row of a file."""
    day, endpoint = date.fromisoformat(file.dt), file.endpoint
    return (
        (pc.field("ts") >= _moment(file.ts_min))
        & (pc.field("ts") <= _moment(file.ts_max))
        & (pc.field("skey") >= file.skey_min)
        & (pc.field("skey") <= file.skey_max)
        & (pc.field(DAY) == day)
        & (pc.field("endpoint") == endpoint)
    )


def _moment(microseconds: int) -> pa.Scalar:
    moment = _EPOCH + timedelta(microseconds=microseconds)
    return pa.scalar(moment, pa.timestamp("us", tz="UTC"))
