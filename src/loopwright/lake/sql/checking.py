"""Which statements may run: exactly one SELECT, over the views and over nothing else.

DuckDB's locked settings refuse files, network and settings by themselves; this says so in our
words, and holds for what a later DuckDB may add.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from loopwright.errors import SqlError

if TYPE_CHECKING:
    import duckdb

_TABLE_FUNCTIONS = frozenset(
    {
        "generate_series",
        "histogram",
        "histogram_values",
        "json_each",
        "json_tree",
        "range",
        "repeat",
        "unnest",
    }
)
_CHANGING = {
    "INSERT_QUERY_NODE": "INSERT",
    "UPDATE_QUERY_NODE": "UPDATE",
    "DELETE_QUERY_NODE": "DELETE",
    "MERGE_QUERY_NODE": "MERGE",
}
_LONGEST = 1 << 20


def check(
    connection: duckdb.DuckDBPyConnection, query: str, *, views: str, given: set[str]
) -> None:
    """Raises SqlError unless the query is one SELECT over `views`, with the `given` parameters.

    Syntax errors are left to be DuckDB's own.
    """
    hint = f"write one SELECT (or SUMMARIZE, DESCRIBE) over {views}"
    if len(query) > _LONGEST:
        raise SqlError(f"a query has at most {_LONGEST:,} characters, this one has {len(query):,}")
    statements = connection.extract_statements(query)
    if len(statements) != 1:
        count = f"{len(statements)} statements" if statements else "no statement"
        raise SqlError(f"one statement at a time: this has {count}", hint=hint)
    kind = statements[0].type.name
    if kind != "SELECT":
        raise SqlError(f"only SELECT is allowed, this is {_named(kind, query)}", hint=hint)
    for name in _reached(connection, query):
        raise SqlError(f"a query cannot use {name}", hint=hint)
    _check_parameters(statements[0].named_parameters, given)


def _check_parameters(named: set[str], given: set[str]) -> None:
    if missing := sorted(named - given):
        raise SqlError(
            f"the query's parameter ${missing[0]} has no value",
            hint=f"give it one: --param {missing[0]}=VALUE",
        )
    if unknown := sorted(given - named):
        has = ", ".join(f"${name}" for name in sorted(named)) or "none"
        raise SqlError(f"the query has no parameter ${unknown[0]}", hint=f"it has {has}")


def _named(kind: str, query: str) -> str:
    """MULTI is what DuckDB makes several statements of: PIVOT, say."""
    return str(kind) if kind != "MULTI" else query.split(maxsplit=1)[0].upper()


def _reached(connection: duckdb.DuckDBPyConnection, query: str) -> Iterator[str]:
    """Everything in the query that reads or changes something other than a view."""
    found = connection.sql("SELECT json_serialize_sql($query)", params={"query": query})
    tree = json.loads(found.fetchall()[0][0])
    if tree["error"]:
        yield f"this: {tree['error_message']}"
    for node in _nodes(tree):
        kind = node.get("type")
        if kind == "TABLE_FUNCTION":
            name = node["function"].get("function_name", "")
            if name.lower() not in _TABLE_FUNCTIONS:
                yield f"{name or 'a table function'}()"
        elif kind in _CHANGING:
            yield _CHANGING[kind]


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    waiting = [tree]
    while waiting:  # no recursion: a query may be nested as deep as DuckDB's parser goes
        item = waiting.pop()
        if isinstance(item, dict):
            yield item
        if isinstance(item, dict | list):
            waiting.extend(item.values() if isinstance(item, dict) else item)
