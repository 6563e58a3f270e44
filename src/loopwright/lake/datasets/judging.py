"""What feedback says of calls: which ones a rule lets through, and which answers were corrected.

The newest feedback decides, by (time, feedback id): equal on every machine that holds the same
feedback, whatever order it came in. Read at the cut of a snapshot, so a version stays a pure
function of spec and cut.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from loopwright.lake.datasets.filtering import FeedbackRule
from loopwright.lake.feedback_columns import FeedbackKind, FeedbackSource
from loopwright.lake.snapshot import Snapshot

_ROW = ("call_id", "ts", "feedback_id", "name", "kind", "source")
_VALUES = ("value_bool", "value_num", "value_label")

Row = Mapping[str, Any]


def judged_calls(snapshot: Snapshot, rules: Sequence[FeedbackRule]) -> pa.Array:
    """Ids of the calls that satisfy every rule, sorted. Reads metadata of feedback only."""
    newest: list[dict[str, Row]] = [{} for _ in rules]
    for row in _rows(snapshot, (*_ROW, *_VALUES)):
        for rule, found in zip(rules, newest, strict=True):
            if row["name"] == rule.name and rule.source in (None, row["source"]):
                _keep_newest(found, row)
    passed = (
        {call_id for call_id, row in found.items() if satisfies(row, rule)}
        for rule, found in zip(rules, newest, strict=True)
    )
    return pa.array(sorted(set.intersection(*passed)), pa.string())


def satisfies(row: Row, rule: FeedbackRule) -> bool:
    """Whether one row of feedback says what `rule` asks. Bounds are for numbers alone."""
    number = row["value_num"]
    if rule.at_least is not None and not (number is not None and number >= rule.at_least):
        return False
    if rule.at_most is not None and not (number is not None and number <= rule.at_most):
        return False
    return rule.equals is None or _said(row, rule.equals) == rule.equals


def corrections(snapshot: Snapshot, *, purpose: str) -> dict[str, str]:
    """The newest answer that a person gave instead, as JSON of a message, by call id.

    Opens the text of feedback, which is recorded with `purpose`.
    """
    newest: dict[str, Row] = {}
    for row in _rows(snapshot, (*_ROW, "text"), purpose=purpose):
        if row["kind"] == FeedbackKind.CORRECTION and row["source"] == FeedbackSource.HUMAN:
            _keep_newest(newest, row)
    return {call_id: row["text"] for call_id, row in newest.items() if row["text"]}


def _rows(snapshot: Snapshot, columns: Sequence[str], *, purpose: str = "") -> Iterator[Row]:
    for batch in snapshot.feedback(columns, purpose=purpose):
        yield from batch.to_pylist()


def _keep_newest(found: dict[str, Row], row: Row) -> None:
    held = found.get(row["call_id"])
    if held is None or _moment(held) < _moment(row):
        found[row["call_id"]] = row


def _moment(row: Row) -> tuple[Any, str]:
    return row["ts"], row["feedback_id"]


def _said(row: Row, like: bool | float | str) -> bool | float | str | None:
    """The value of a row in the column for values such as `like`."""
    if isinstance(like, bool):
        column = "value_bool"
    else:
        column = "value_label" if isinstance(like, str) else "value_num"
    value: bool | float | str | None = row[column]
    return value
