"""The columns of a recorded call, and how a call becomes a row of them.

One schema for every file of the lake. No I/O here.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

import pyarrow as pa

from loopwright.errors import LakeError

SKEY_RING = 1 << 63
"""Sampling keys lie on a ring of this length."""

_TIME = pa.timestamp("us", tz="UTC")
_PAIRS = pa.map_(pa.string(), pa.string())
_COUNTS = pa.map_(pa.string(), pa.int32())

SCHEMA = pa.schema(
    [
        pa.field("call_id", pa.string(), nullable=False),
        pa.field("skey", pa.int64(), nullable=False),  # place on the sampling ring, from call_id
        pa.field("seq", pa.int64(), nullable=False),  # order of ingest into this lake
        pa.field("gateway_seq", pa.int64()),  # per gateway and endpoint; gaps are losses
        pa.field("gateway_id", pa.string()),
        pa.field("schema_version", pa.int16()),
        pa.field("ts", _TIME, nullable=False),  # arrival of the request
        pa.field("tenant", pa.string()),
        pa.field("subject_key", pa.int64()),  # keyed hash of the end user, never the raw id
        pa.field("session_id", pa.string()),
        pa.field("client_request_id", pa.string()),
        pa.field("trace_id", pa.string()),
        pa.field("span_id", pa.string()),
        pa.field("parent_call_id", pa.string()),
        pa.field("endpoint", pa.string(), nullable=False),
        pa.field("workload", pa.string()),
        pa.field("operation", pa.string()),
        pa.field("provider", pa.string()),
        pa.field("model_requested", pa.string()),
        pa.field("model", pa.string()),
        pa.field("model_version", pa.string()),
        pa.field("variant", pa.string()),
        pa.field("config_digest", pa.binary()),
        pa.field("stream", pa.bool_()),
        pa.field("http_status", pa.int16()),
        pa.field("outcome", pa.string()),
        pa.field("error_type", pa.string()),
        pa.field("finish_reason", pa.string()),
        pa.field("n_messages", pa.int32()),
        pa.field("n_tool_calls", pa.int32()),
        pa.field("n_media", pa.int32()),
        pa.field("has_system", pa.bool_()),
        pa.field("has_tools", pa.bool_()),
        pa.field("input_tokens", pa.int32()),
        pa.field("output_tokens", pa.int32()),
        pa.field("cache_read_tokens", pa.int32()),
        pa.field("cache_write_tokens", pa.int32()),
        pa.field("reasoning_tokens", pa.int32()),
        pa.field("tokens_estimated", pa.bool_()),
        pa.field("cost_micro_usd", pa.int64()),
        pa.field("latency_ms", pa.int32()),
        pa.field("ttft_ms", pa.int32()),
        pa.field("overhead_us", pa.int32()),
        pa.field("request_params", pa.string()),  # JSON of the sampling parameters; no text
        pa.field("tags", _PAIRS),
        pa.field("prompt_hash", pa.binary()),  # HMAC under a lake key: equality, not content
        pa.field("exchange_hash", pa.binary()),
        pa.field("capture_policy", pa.string()),
        pa.field("capture_rate", pa.float64()),
        pa.field("redactions", _COUNTS),
        pa.field("retain_until", pa.date32()),
        pa.field("request", pa.string(), nullable=False),  # raw JSON, under the text key
        pa.field("response", pa.string(), nullable=False),
    ]
)

COLUMNS: tuple[str, ...] = tuple(SCHEMA.names)
TEXT_COLUMNS: tuple[str, ...] = ("request", "response")
METADATA_COLUMNS: tuple[str, ...] = tuple(name for name in COLUMNS if name not in TEXT_COLUMNS)
METADATA_SCHEMA = pa.schema([SCHEMA.field(name) for name in METADATA_COLUMNS])
SCHEMA_VERSION = 1

_GIVEN = frozenset(METADATA_COLUMNS) - {"skey", "seq", "schema_version"}


def skey(call_id: str) -> int:
    """The call's place on the sampling ring: the top 63 bits of SHA-256 of its id."""
    return int.from_bytes(hashlib.sha256(call_id.encode()).digest()[:8]) >> 1


def metadata_table(records: Sequence[Mapping[str, Any]], *, first_seq: int = 0) -> pa.Table:
    """The METADATA_COLUMNS of `records`, each with its `skey`, numbered from `first_seq`.

    A record needs call_id, ts (aware datetime, or microseconds since the epoch) and endpoint; other
    columns are null where absent. Raises LakeError on an unknown column, a missing value or a value
    of the wrong type.
    """
    present = set().union(*records)
    if unknown := present.difference(_GIVEN, TEXT_COLUMNS):
        raise LakeError(f"calls cannot be given columns {', '.join(sorted(unknown))}")
    columns = {
        field.name: column_of(records, field, absent=field.name not in present)
        for field in METADATA_SCHEMA
        if field.name in _GIVEN
    }
    count = len(records)
    columns["skey"] = pa.array([skey(record["call_id"]) for record in records], pa.int64())
    columns["seq"] = sequence(first_seq, count)
    columns["schema_version"] = pa.repeat(pa.scalar(SCHEMA_VERSION, pa.int16()), count)
    return pa.table([columns[name] for name in METADATA_COLUMNS], schema=METADATA_SCHEMA)


def sequence(first: int, count: int) -> pa.Array:
    """`count` ingest sequence numbers from `first`."""
    return pa.array(range(first, first + count), pa.int64())


def text_array(texts: Sequence[bytes]) -> pa.Array:
    """UTF-8 texts as one Arrow array.

    One copy of all: pyarrow takes long texts over one by one, several times slower.
    """
    offsets = array("i", accumulate(map(len, texts), initial=0))
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(b"".join(texts))]
    return pa.Array.from_buffers(pa.string(), len(texts), buffers)


def column_of(
    records: Sequence[Mapping[str, Any]], field: pa.Field, *, absent: bool = False
) -> pa.Array:
    """One column of `records`. Raises LakeError when a value is missing or of another type."""
    if absent and field.nullable:
        return pa.nulls(len(records), field.type)
    name = field.name
    try:
        values = pa.array([record.get(name) for record in records], field.type)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise LakeError(f"column {name} cannot hold its values: {error}") from error
    if not field.nullable and values.null_count:
        raise LakeError(f"{values.null_count} of {len(records)} rows have no {name}")
    return values
