"""The newest calls of a lake, by arrival: metadata only, and one call opened on request.

Looks at few files however large the lake is: newest first, until none can hold a newer call.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from heapq import nlargest
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from loopwright.errors import LakeError
from loopwright.lake.columns import COLUMNS, skey
from loopwright.lake.feedback_columns import COLUMNS as FEEDBACK_COLUMNS
from loopwright.lake.files import LakeFile
from loopwright.lake.snapshot import Snapshot

SHOWN = (
    "call_id",
    "ts",
    "endpoint",
    "model",
    "outcome",
    "http_status",
    "error_type",
    "finish_reason",
    "stream",
    "input_tokens",
    "output_tokens",
    "latency_ms",
    "ttft_ms",
    "session_id",
)
"""What is told of a call in a list."""


def recent(
    snapshot: Snapshot,
    *,
    limit: int,
    endpoint: str | None = None,
    outcome: str | None = None,
    since: int | None = None,
) -> list[dict[str, Any]]:
    """The newest calls, newest first, as SHOWN. `since`: microseconds since the epoch."""
    found: list[dict[str, Any]] = []
    files = [file for file in snapshot.files if endpoint in (None, file.endpoint)]
    for file in sorted(files, key=lambda one: one.ts_max, reverse=True):
        floor = found[-1]["at"] if len(found) == limit else since
        if floor is not None and file.ts_max < floor:
            break
        rows = _rows(snapshot, file, outcome=outcome, since=floor, limit=limit)
        found = nlargest(limit, [*found, *rows], key=lambda row: (row["at"], row["call_id"]))
    for row in found:
        del row["at"]
    return found


def opened(snapshot: Snapshot, call_id: str, *, purpose: str) -> dict[str, Any]:
    """One call with its text, all columns; the opening is recorded. Raises LakeError."""
    try:
        found = snapshot.take([call_id], COLUMNS, purpose=purpose)
    except LakeError as error:
        if "not in this snapshot" in error.message:
            raise LakeError(f"there is no call {call_id} in the lake") from error
        raise
    row: dict[str, Any] = found.to_pylist()[0]
    return row


def feedback_on(snapshot: Snapshot, call_id: str, *, purpose: str) -> list[dict[str, Any]]:
    """What was said of a call, the oldest first; the opening of its text is recorded."""
    place = skey(call_id)
    if not snapshot.feedback_files:
        return []
    rows = [
        row
        for batch in snapshot.feedback(
            FEEDBACK_COLUMNS, skey_range=(place, place + 1), purpose=purpose
        )
        for row in batch.to_pylist()
        if row["call_id"] == call_id
    ]
    return sorted(rows, key=lambda row: row["ts"])


def _rows(
    snapshot: Snapshot, file: LakeFile, *, outcome: str | None, since: int | None, limit: int
) -> Iterator[dict[str, Any]]:
    batches = replace(snapshot, files=(file,)).scan(
        SHOWN,
        where=None if outcome is None else pc.field("outcome") == outcome,
        ts_range=None if since is None else (since, file.ts_max + 1),
    )
    for batch in batches:
        newest = batch.sort_by([("ts", "descending"), ("call_id", "descending")]).slice(0, limit)
        times = newest["ts"].cast(pa.int64()).to_pylist()
        for row, at in zip(newest.to_pylist(), times, strict=True):
            yield row | {"at": at}
