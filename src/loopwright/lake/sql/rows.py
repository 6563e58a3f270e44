"""Rows of a result as JSON and as text: the same words wherever they are written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any

import orjson
import pyarrow as pa

_OPTIONS = orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS
_MOST = 1 << 63


def rows_of(batch: pa.RecordBatch) -> Iterator[tuple[Any, ...]]:
    """Python values row by row; columns may share a name."""
    columns = [column.to_pylist(maps_as_pydicts="lossy") for column in batch.columns]
    return zip(*columns, strict=True)


def json_lines(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Iterator[bytes]:
    """A JSON object a row: moments in UTC, bytes in hexadecimal digits, no infinities."""
    names = distinct(schema.names)
    for batch in batches:
        for row in rows_of(batch):
            yield _json(dict(zip(names, row, strict=True)))


def text_of(value: Any) -> str:
    """A value as people read it; null is empty, what has parts is JSON."""
    if value is None or isinstance(value, str):
        return value or ""
    return _json(value).decode().removeprefix('"').removesuffix('"')


def distinct(names: Sequence[str]) -> list[str]:
    """Names of columns, numbered from the second of a kind on: `n`, `n_1`."""
    found: list[str] = []
    for name in names:
        number, made = 0, name
        while made in found:
            number += 1
            made = f"{name}_{number}"
        found.append(made)
    return found


def _json(value: Any) -> bytes:
    return orjson.dumps(value, default=_told, option=_OPTIONS)


def _told(value: Any) -> Any:
    """What JSON has no word for: sums of integers come as decimals."""
    if isinstance(value, Decimal):
        is_whole = value == value.to_integral_value()
        return (int(value) if abs(value) < _MOST else str(value)) if is_whole else float(value)
    return value.hex() if isinstance(value, bytes) else str(value)
