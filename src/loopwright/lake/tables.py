"""The two tables of a lake and what their files have in common and apart.

Values only: writing, reading and encryption take what they need to know of a table from here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import pyarrow as pa

from loopwright.lake import columns, feedback_columns
from loopwright.lake.partitions import CALLS, FEEDBACK


@dataclass(frozen=True)
class Table:
    """Rows of one schema in one folder. Every table has `skey`, `seq`, `ts` and `endpoint`."""

    name: str
    schema: pa.Schema
    text: tuple[str, ...]
    """Columns under the text key; all others are under the metadata key."""
    distinct: frozenset[str]
    """Columns whose values hardly repeat, so that a dictionary of them would not pay."""
    pruned_by: tuple[str, ...]
    """Columns whose ranges a file tells, for readers that skip row groups."""
    listed: Mapping[str, str] = field(default_factory=dict)
    """Columns whose values the file manifest lists while they are few -> its name for them."""

    @cached_property
    def columns(self) -> tuple[str, ...]:
        return tuple(self.schema.names)

    @cached_property
    def metadata(self) -> tuple[str, ...]:
        return tuple(name for name in self.columns if name not in self.text)

    @cached_property
    def repeated(self) -> tuple[str, ...]:
        return tuple(name for name in self.metadata if name not in self.distinct)

    @cached_property
    def skey_place(self) -> int:
        return self.columns.index("skey")


CALL_TABLE = Table(
    name=CALLS,
    schema=columns.SCHEMA,
    text=columns.TEXT_COLUMNS,
    distinct=frozenset(
        {"call_id", "skey", "seq", "gateway_seq", "ts", "prompt_hash", "exchange_hash"}
    ),
    pruned_by=(
        "skey",
        "seq",
        "ts",
        "endpoint",
        "model",
        "model_version",
        "outcome",
        "finish_reason",
    ),
    listed={"model": "models", "model_version": "model_versions"},
)

FEEDBACK_TABLE = Table(
    name=FEEDBACK,
    schema=feedback_columns.SCHEMA,
    text=feedback_columns.TEXT_COLUMNS,
    distinct=frozenset({"feedback_id", "call_id", "skey", "seq", "ts"}),
    pruned_by=("skey", "seq", "ts", "endpoint", "name", "kind", "source"),
)

TABLES: Mapping[str, Table] = {table.name: table for table in (CALL_TABLE, FEEDBACK_TABLE)}
