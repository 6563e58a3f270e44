"""The rows of a Parquet file as lines of JSON, so that they are read as any other record.

Langfuse writes its exports so unless told otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from loopwright.errors import LakeError

_ROWS = 128  # at a time: a row may hold a whole conversation


def rows_as_lines(path: Path, *, passed: Callable[[int], None]) -> Iterator[bytes]:
    """Each row as JSON; `passed` is told of each batch's share of the file's bytes.

    Times become RFC 3339 and maps objects; what JSON cannot say is null. Raises LakeError when
    the file is damaged or encrypted.
    """
    try:
        with pq.ParquetFile(path) as file:
            total, size, told = file.metadata.num_rows, path.stat().st_size, 0
            done = 0
            for batch in file.iter_batches(batch_size=_ROWS):
                done += batch.num_rows
                passed(size * done // total - told)
                told = size * done // total
                yield from map(_line, batch.to_pylist(maps_as_pydicts="lossy"))
    except (pa.ArrowException, OSError, ValueError) as error:
        raise LakeError(f"cannot read {path}: the Parquet file is damaged or encrypted") from error


def _line(row: dict[str, Any]) -> bytes:
    return orjson.dumps(row, default=_plain, option=orjson.OPT_NAIVE_UTC | orjson.OPT_NON_STR_KEYS)


def _plain(value: Any) -> Any:
    return float(value) if isinstance(value, Decimal) else None
