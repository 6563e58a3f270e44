"""A dataset's `where`: one SQL condition on the metadata of a single call, run by DuckDB.

DuckDB sees an Arrow table in memory and nothing else: no file, network, setting or spill. A
condition must say the same of a call on every machine and on every day, so subqueries, clocks,
randomness and columns that are keyed or numbered per lake are refused.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from loopwright.errors import DatasetError
from loopwright.lake.columns import METADATA_COLUMNS, SCHEMA

if TYPE_CHECKING:
    import duckdb

_ROW = "__row"
_PER_LAKE = frozenset({"seq", "subject_key", "prompt_hash", "exchange_hash"})
_COLUMNS = tuple(name for name in METADATA_COLUMNS if name not in _PER_LAKE)
_REFUSED = frozenset({"SUBQUERY", "WINDOW", "PARAMETER", "STAR", "LAMBDA"})
_LOCKED = (
    "SET TimeZone = 'UTC'",
    "SET enable_progress_bar = false",
    "SET python_enable_replacements = false",
    "SET autoinstall_known_extensions = false",
    "SET autoload_known_extensions = false",
    "SET allow_persistent_secrets = false",
    "SET temp_directory = ''",
    "SET memory_limit = '256MB'",
    "SET threads = 1",
    "SET enable_external_access = false",
    "SET lock_configuration = true",
)


class Condition:
    """A checked `where`; `columns` are the metadata columns it looks at."""

    def __init__(self, expression: str) -> None:
        """Raises DatasetError, with DuckDB's own words where it refused."""
        self.expression = expression
        self._sql = _select(expression)
        self.columns = _checked_columns(self._sql, expression)
        self.keep(_blank_call(self.columns))  # binds names and types before anything is read

    def keep(self, calls: pa.Table) -> pa.Table:
        """The rows for which the condition is true, in their order."""
        seen = pa.table({_ROW: pa.arange(0, calls.num_rows), **{c: calls[c] for c in self.columns}})
        with _connection() as connection, _named(self.expression):
            connection.register("calls", seen)
            kept: pa.Table = connection.sql(self._sql).to_arrow_table()
        return calls.take(kept[_ROW].combine_chunks().sort())


def _select(expression: str) -> str:
    # The line breaks keep a trailing comment from swallowing the closing bracket.
    return f"SELECT {_ROW} FROM calls WHERE (\n{expression}\n)"


def _checked_columns(sql: str, expression: str) -> tuple[str, ...]:
    with _connection() as connection, _named(expression):
        if len(connection.extract_statements(sql)) != 1:
            raise DatasetError(f"The condition `{expression}` is more than one statement")
        parsed = _parse(connection, sql)
        frame = _parse(connection, _select("true"))
        where = parsed.pop("where_clause", None)
        frame.pop("where_clause")
        if _unlocated(parsed) != _unlocated(frame) or where is None:
            raise DatasetError(f"The condition `{expression}` is more than a condition")
        # Without our brackets, one that closes them is one too many.
        _parse(connection, f"SELECT {_ROW} FROM calls WHERE\n{expression}\n")
        _check_functions(connection, where, expression)
    return _columns_of(where, expression)


def _parse(connection: duckdb.DuckDBPyConnection, sql: str) -> dict[str, Any]:
    row = connection.execute("SELECT json_serialize_sql($1)", [sql]).fetchone()
    tree = json.loads(row[0]) if row else {}
    if tree.get("error"):
        raise DatasetError(f"Cannot use the dataset's where: {tree['error_message']}")
    return dict(tree["statements"][0]["node"])


def _unlocated(node: Any) -> Any:
    """The tree without positions in the text."""
    if isinstance(node, dict):
        return {k: _unlocated(v) for k, v in node.items() if not k.startswith("query_location")}
    return [_unlocated(item) for item in node] if isinstance(node, list) else node


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    if isinstance(tree, dict):
        yield tree
    for child in tree.values() if isinstance(tree, dict) else tree:
        if isinstance(child, dict | list):
            yield from _nodes(child)


def _check_functions(
    connection: duckdb.DuckDBPyConnection, where: dict[str, Any], expression: str
) -> None:
    """Only plain expressions over one row whose functions always answer alike."""
    called = set()
    for node in _nodes(where):
        if node.get("class") in _REFUSED:
            raise DatasetError(
                f"A dataset's where cannot use a {node['class'].lower()}: `{expression}`",
                hint="say a condition on the metadata columns of one call",
            )
        if node.get("class") == "FUNCTION":
            called.add(node["function_name"])
    if called and (unsteady := _unsteady(connection, called)):
        raise DatasetError(
            f"A dataset's where cannot use {unsteady}(): its answer is not a function of one call",
            hint="leave out clocks, randomness, aggregates and macros",
        )


def _unsteady(connection: duckdb.DuckDBPyConnection, called: set[str]) -> str | None:
    found = connection.execute(
        "SELECT min(function_name) FROM duckdb_functions() WHERE list_contains($1, function_name)"
        " AND function_type IN ('scalar', 'macro', 'aggregate')"
        " AND (function_type, stability) IS DISTINCT FROM ('scalar', 'CONSISTENT')",
        [sorted(called)],
    ).fetchone()
    return found[0] if found else None


def _columns_of(where: dict[str, Any], expression: str) -> tuple[str, ...]:
    named = [node["column_names"] for node in _nodes(where) if node.get("class") == "COLUMN_REF"]
    columns = {(path[1:] if path[0].lower() == "calls" else path)[0].lower() for path in named}
    for column in sorted(columns - set(_COLUMNS)):
        near = difflib.get_close_matches(column, _COLUMNS, n=1)
        nearest = f"; the nearest is {near[0]}" if near else ""
        raise DatasetError(
            f"A dataset's where cannot see a column {column!r}: `{expression}`",
            hint=f"it sees the metadata columns that every lake has{nearest}",
        )
    return tuple(sorted(columns))


def _blank_call(columns: tuple[str, ...]) -> pa.Table:
    # One row, since DuckDB does not fold the constants of a query over none.
    blank = {name: pa.nulls(1, SCHEMA.field(name).type) for name in columns}
    return pa.table({_ROW: pa.nulls(1), **blank})


@contextmanager
def _connection() -> Iterator[duckdb.DuckDBPyConnection]:
    import duckdb

    with duckdb.connect(":memory:") as connection:
        for setting in _LOCKED:
            connection.execute(setting)
        yield connection


@contextmanager
def _named(expression: str) -> Iterator[None]:
    import duckdb

    try:
        yield
    except duckdb.Error as error:
        first_line = str(error).splitlines()[0]
        raise DatasetError(
            f"Cannot use the dataset's where `{expression}`: {first_line}"
        ) from error
