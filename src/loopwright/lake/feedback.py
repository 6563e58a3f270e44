"""Rows of feedback on their way into the lake: placed with their calls, checked, sorted.

Small batches, all in memory. Writing and committing is `ingest`'s.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson
import pyarrow as pa

from loopwright.lake.batch import Record, Run
from loopwright.lake.columns import skey
from loopwright.lake.erasing.tombstones import Tombstones
from loopwright.lake.feedback_columns import FeedbackKind, checked, feedback_table, is_answer
from loopwright.lake.files import Head
from loopwright.lake.lookup import endpoints_of, known_ids
from loopwright.lake.store import Lake

UNKNOWN_ENDPOINT = "unknown"
_KINDS = {
    "score": FeedbackKind.FLOAT,
    "good": FeedbackKind.BOOL,
    "label": FeedbackKind.LABEL,
    "correction": FeedbackKind.CORRECTION,
    "comment": FeedbackKind.COMMENT,
}


def given(values: Mapping[str, Any], *, name: str | None, about: Record) -> list[dict[str, Any]]:
    """One row for each thing that is said: `score`, `good`, `label`, `correction`, `comment`.

    `about` are the columns that they share; without a `name` each is called as its kind.
    """
    return [
        {
            "feedback_id": secrets.token_hex(16),
            **about,
            "name": name or said,
            "kind": _KINDS[said],
            _KINDS[said].value_column: _answer(value) if said == "correction" else value,
        }
        for said, value in values.items()
    ]


def fresh_rows(lake: Lake, head: Head, given: Sequence[Record]) -> list[dict[str, Any]]:
    """The rows that the lake has not, each with an endpoint, the first of equal ids.

    Feedback on a call that was erased is left out. Raises LakeError when one is not feedback.
    """
    rows = [checked(row) for row in _placed(lake, head, given)]
    skeys = sorted({skey(row["call_id"]) for row in rows})
    seen = known_ids(lake, head, head.feedback, column="feedback_id", skeys=skeys)
    erased = Tombstones(lake).among({row["call_id"] for row in rows})
    fresh = []
    for row in rows:
        if row["feedback_id"] not in seen and row["call_id"] not in erased:
            fresh.append(row)
            seen.add(row["feedback_id"])
    return fresh


def runs(rows: Sequence[Mapping[str, Any]], *, first_seq: int) -> list[Run]:
    """The rows numbered from `first_seq` in their order, partition by partition."""
    table = feedback_table(rows, first_seq=first_seq)
    days = table["ts"].cast(pa.date32()).to_pylist()
    places: dict[tuple[str, str], list[int]] = {}
    for place, (day, row) in enumerate(zip(days, rows, strict=True)):
        places.setdefault((day.isoformat(), row["endpoint"]), []).append(place)
    return [
        Run(day, endpoint, _sorted(table.take(found)))
        for (day, endpoint), found in sorted(places.items())
    ]


def _answer(said: str) -> str:
    """JSON of an assistant message: `said` itself where it is one, else with it as content."""
    if is_answer(said):
        return said
    return orjson.dumps({"role": "assistant", "content": said}).decode()


def _placed(lake: Lake, head: Head, given: Sequence[Record]) -> Iterator[Record]:
    homeless = {str(row.get("call_id")) for row in given if not row.get("endpoint")}
    found = endpoints_of(lake, head, homeless)
    for row in given:
        home = found.get(str(row.get("call_id")), UNKNOWN_ENDPOINT)
        yield row if row.get("endpoint") else {**row, "endpoint": home}


def _sorted(table: pa.Table) -> Iterator[pa.Table]:
    yield table.sort_by([("skey", "ascending"), ("seq", "ascending")])
