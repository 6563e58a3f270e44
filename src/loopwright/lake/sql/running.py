"""A query run by DuckDB over the tables of lakes, locked so that it reaches nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from loopwright.errors import SqlError, SqlLimitError
from loopwright.lake.audit import AuditLog
from loopwright.lake.keys import MasterKey, Role
from loopwright.lake.sql.checking import check
from loopwright.lake.sql.request import Limits, Relation, Request, quote, quoted
from loopwright.lake.sql.tables import LakeTable
from loopwright.lake.store import Lake
from loopwright.lake.tables import TABLES

if TYPE_CHECKING:
    import duckdb

_LOCKED = (
    "SET TimeZone = 'UTC'",
    "SET enable_progress_bar = false",
    "SET python_enable_replacements = false",
    "SET autoinstall_known_extensions = false",
    "SET autoload_known_extensions = false",
    "SET allow_persistent_secrets = false",
    "SET temp_directory = ''",  # what DuckDB spills it would write in the clear
    "SET memory_limit = '{engine_bytes}B'",
    "SET threads = {threads}",
    "SET enable_external_access = false",
    "SET lock_configuration = true",
)
_OUT_OF_MEMORY = "Out of Memory Error"
_BATCH_ROWS = 4096
_MOST_BYTES = 64 << 20
_MOST_ROW_BYTES = 512 << 20


def run(request: Request, *, audits: Mapping[str, AuditLog]) -> Iterator[pa.RecordBatch]:
    """The result in batches of bounded size, the first of them empty: it tells the columns.

    `audits` records the openings of text, by view. Raises SqlError with DuckDB's own words, and
    the lake's errors as they are.
    """
    import duckdb

    tables = {
        relation.view: _table(relation, audits[relation.view]) for relation in request.relations
    }
    with _told(tables, request.limits), duckdb.connect(":memory:") as connection:
        _lock(connection, request.limits)
        check(connection, request.query, views=quoted(tables), given=set(request.parameters))
        for view, table in tables.items():
            connection.register(view, table)
        found = connection.sql(request.query, params=dict(request.parameters))
        reader = _wanted(found, request).to_arrow_reader(_BATCH_ROWS)
        yield pa.RecordBatch.from_pylist([], schema=reader.schema)
        for batch in _first(reader, request.most_rows):
            yield from _pieces(batch)


def _table(relation: Relation, audit: AuditLog) -> LakeTable:
    master = MasterKey(bytes.fromhex(relation.master))
    lake = Lake.open(Path(relation.root), master=master, role=Role(relation.role))
    snapshot = replace(lake.snapshot(through=relation.through), audit=audit)
    return LakeTable(snapshot, TABLES[relation.table])


def _lock(connection: duckdb.DuckDBPyConnection, limits: Limits) -> None:
    for setting in _LOCKED:
        told = setting.format(engine_bytes=limits.engine_bytes, threads=limits.threads)
        connection.execute(told).complete()


def _wanted(found: duckdb.DuckDBPyRelation, request: Request) -> duckdb.DuckDBPyRelation:
    """The columns that are wanted; what is not wanted is not even read."""
    if request.only is not None:
        if missing := [name for name in request.only if name not in found.columns]:
            raise SqlError(
                f"the result of the query has no column {missing[0]}",
                hint=f"it has {', '.join(found.columns)}",
            )
        found = found.project(", ".join(map(quote, request.only)))
    return found.aggregate("count(*) AS rows") if request.counted else found


def _first(batches: Iterable[pa.RecordBatch], rows: int | None) -> Iterator[pa.RecordBatch]:
    """As many rows and one more, or all of them."""
    left = None if rows is None else rows + 1
    for batch in batches:
        yield batch if left is None else batch.slice(0, left)
        if left is not None and (left := left - batch.num_rows) <= 0:
            return


def _pieces(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """The batch in parts that a message can carry. Raises SqlError over a row that none can."""
    if batch.nbytes <= _MOST_BYTES or batch.num_rows == 1:
        if batch.nbytes > _MOST_ROW_BYTES:
            raise SqlError(
                f"a row of the result has {batch.nbytes >> 20:,} MiB; "
                f"{_MOST_ROW_BYTES >> 20:,} MiB is the most",
                hint="select fewer or shorter values",
            )
        yield batch
        return
    middle = batch.num_rows // 2
    yield from _pieces(batch.slice(0, middle))
    yield from _pieces(batch.slice(middle))


@contextmanager
def _told(tables: Mapping[str, LakeTable], limits: Limits) -> Iterator[None]:
    """What failed in our words: the lake's own error where a scan was the cause."""
    import duckdb

    try:
        yield
    except MemoryError as error:
        raise out_of_memory(limits) from error
    except RecursionError as error:
        raise too_deep() from error
    except (duckdb.Error, pa.ArrowException, OSError) as error:  # OSError: told by the stream
        if causes := [table.failure for table in tables.values() if table.failure]:
            raise causes[0] from error
        if _OUT_OF_MEMORY in str(error):
            raise out_of_memory(limits) from error
        hint = None
        if isinstance(error, duckdb.ParserException | duckdb.CatalogException):
            hint = f"there are the views {quoted(tables)}"
        raise SqlError(f"the query cannot be run: {str(error).strip()}", hint=hint) from error


def out_of_memory(limits: Limits) -> SqlLimitError:
    """What is told of a query that needed more than it may have."""
    return SqlLimitError(
        f"the query needs more than the {limits.memory_bytes / (1 << 30):.2g} GiB it may use",
        hint="aggregate, or select fewer rows and columns; nothing is ever spilled to disk",
    )


def too_deep() -> SqlError:
    """What is told of a query that no stack holds."""
    return SqlError("the query is nested too deeply to be run", hint="write it flatter")
