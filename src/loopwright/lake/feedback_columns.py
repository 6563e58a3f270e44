"""The columns of a row of feedback: what somebody said of a call after it was answered.

One schema for every feedback file of the lake. No I/O here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from math import isfinite
from typing import Any

import orjson
import pyarrow as pa

from loopwright.errors import LakeError
from loopwright.lake.columns import column_of, sequence, skey
from loopwright.lake.partitions import endpoint_fits

SCHEMA = pa.schema(
    [
        pa.field("feedback_id", pa.string(), nullable=False),
        pa.field("call_id", pa.string(), nullable=False),
        pa.field("skey", pa.int64(), nullable=False),  # of the call: both are found together
        pa.field("seq", pa.int64(), nullable=False),  # order of ingest, counted with the calls
        pa.field("ts", pa.timestamp("us", tz="UTC"), nullable=False),  # when it was given
        pa.field("endpoint", pa.string(), nullable=False),  # of the call
        pa.field("name", pa.string(), nullable=False),  # what is judged, e.g. "helpful"
        pa.field("kind", pa.string(), nullable=False),
        pa.field("value_bool", pa.bool_()),
        pa.field("value_num", pa.float64()),
        pa.field("value_label", pa.string()),
        pa.field("source", pa.string(), nullable=False),
        pa.field("author", pa.string()),
        pa.field("text", pa.string(), nullable=False),  # comment or corrected answer; text key
    ]
)

COLUMNS: tuple[str, ...] = tuple(SCHEMA.names)
TEXT_COLUMNS: tuple[str, ...] = ("text",)


class FeedbackKind(StrEnum):
    """What a row of feedback says of its call."""

    BOOL = "bool"
    FLOAT = "float"
    LABEL = "label"
    CORRECTION = "correction"
    """`text` is the answer as it should have been: JSON of an assistant message."""
    COMMENT = "comment"

    @property
    def value_column(self) -> str:
        """The one column that holds the value of this kind."""
        return _VALUES[self]


class FeedbackSource(StrEnum):
    """Who gave it."""

    HUMAN = "human"
    APP = "app"
    JUDGE = "judge"


_VALUES = {
    FeedbackKind.BOOL: "value_bool",
    FeedbackKind.FLOAT: "value_num",
    FeedbackKind.LABEL: "value_label",
    FeedbackKind.CORRECTION: "text",
    FeedbackKind.COMMENT: "text",
}
_GIVEN = frozenset(COLUMNS) - {"skey", "seq"}


def checked(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of feedback as it is stored. Raises LakeError that says what is wrong with it.

    Needs feedback_id, call_id, ts (aware datetime, or microseconds since the epoch), endpoint,
    name, kind, source and the value of its kind.
    """
    if unknown := row.keys() - _GIVEN:
        raise LakeError(f"feedback cannot be given columns {', '.join(sorted(unknown))}")
    for name in ("feedback_id", "call_id", "ts", "endpoint", "name", "kind", "source"):
        if row.get(name) in (None, ""):
            raise LakeError(f"feedback has no {name}")
    for name, allowed in (("kind", FeedbackKind), ("source", FeedbackSource)):
        if row[name] not in set(allowed):
            raise LakeError(f"feedback has the {name} {row[name]!r}", hint=f"use {_said(allowed)}")
    if not endpoint_fits(row["endpoint"]):
        raise LakeError(f"endpoint name {row['endpoint'][:40]!r} is empty or too long")
    kind = FeedbackKind(row["kind"])
    value = row.get(kind.value_column)
    if value in (None, ""):
        raise LakeError(f"feedback of kind {kind} has no {kind.value_column}")
    if kind is FeedbackKind.FLOAT and not isfinite(value):
        raise LakeError(f"feedback cannot have the value {value}")
    if kind is FeedbackKind.CORRECTION and not is_answer(value):
        raise LakeError(
            "a corrected answer is not the JSON of an assistant message",
            hint='write {"role": "assistant", "content": "..."}',
        )
    return {**row, "text": row.get("text") or ""}


def feedback_table(rows: Sequence[Mapping[str, Any]], *, first_seq: int) -> pa.Table:
    """`rows` in Arrow, each with the `skey` of its call, numbered from `first_seq`."""
    columns = {field.name: column_of(rows, field) for field in SCHEMA if field.name in _GIVEN}
    columns["skey"] = pa.array([skey(row["call_id"]) for row in rows], pa.int64())
    columns["seq"] = sequence(first_seq, len(rows))
    return pa.table([columns[name] for name in COLUMNS], schema=SCHEMA)


def is_answer(text: str) -> bool:
    """Whether a text is the JSON of an assistant message."""
    try:
        message = orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return isinstance(message, dict) and message.get("role") == "assistant"


def _said(allowed: type[StrEnum]) -> str:
    return ", ".join(allowed)
