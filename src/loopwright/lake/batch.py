"""A batch of calls on its way into the lake: metadata as Arrow columns, text as bytes.

Columns are made while the records are still warm, a part at a time; text is copied once more, when
its row group is written. In memory only; what becomes of a batch is decided in `ingest`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Any, NamedTuple, Self

import pyarrow as pa
import pyarrow.compute as pc

from loopwright.errors import LakeError
from loopwright.lake.columns import (
    METADATA_COLUMNS,
    METADATA_SCHEMA,
    SCHEMA,
    metadata_table,
    sequence,
    text_array,
)
from loopwright.lake.partitions import endpoint_fits

Record = Mapping[str, Any]

_PART = 512  # records made into columns at a time: few enough to be in the cache still
_SLICE = 4096
_SEQ = METADATA_COLUMNS.index("seq")


class Run(NamedTuple):
    """The calls of one partition, as tables in skey order."""

    dt: str
    endpoint: str
    tables: Iterator[pa.Table]


@dataclass(frozen=True, slots=True)
class Batch:
    """Calls in the order they came; the texts lie beside the rows of `metadata`."""

    metadata: pa.Table
    requests: Sequence[bytes]
    responses: Sequence[bytes]

    @property
    def rows(self) -> int:
        return int(self.metadata.num_rows)

    @property
    def call_ids(self) -> list[str]:
        return list(self.metadata["call_id"].to_pylist())

    def only(self, kept: Sequence[bool]) -> Self:
        """The calls where `kept` is true."""
        return type(self)(
            self.metadata.filter(pa.array(kept, pa.bool_())),
            list(compress(self.requests, kept)),
            list(compress(self.responses, kept)),
        )

    def runs(self, *, first_seq: int) -> list[Run]:
        """The calls numbered from `first_seq` in their order, partition by partition."""
        rows = self.metadata.set_column(_SEQ, "seq", sequence(first_seq, self.rows))
        days = rows.append_column("dt", rows["ts"].cast(pa.date32()))
        order = pc.sort_indices(days, [(name, "ascending") for name in ("dt", "endpoint", "skey")])
        partitions = days.select(["dt", "endpoint"]).take(order)
        counted = partitions.group_by(["dt", "endpoint"], use_threads=False)
        runs, start = [], 0
        for found in counted.aggregate([([], "count_all")]).to_pylist():
            place = order.slice(start, found["count_all"])
            runs.append(Run(found["dt"].isoformat(), found["endpoint"], self._tables(rows, place)))
            start += found["count_all"]
        return runs

    def _tables(self, rows: pa.Table, order: pa.Array) -> Iterator[pa.Table]:
        for start in range(0, len(order), _SLICE):
            places = order.slice(start, _SLICE)
            taken = rows.take(places).combine_chunks()
            numbers = places.to_pylist()
            texts = (
                text_array([given[number] for number in numbers])
                for given in (self.requests, self.responses)
            )
            yield pa.table([*taken.columns, *texts], schema=SCHEMA)


class BatchBuilder:
    """Takes records one by one."""

    def __init__(self) -> None:
        self._waiting: list[Record] = []
        self._parts: list[pa.Table] = []
        self._requests: list[bytes] = []
        self._responses: list[bytes] = []
        self.text_bytes = 0

    @property
    def rows(self) -> int:
        return len(self._requests)

    def add(self, record: Record) -> None:
        """Raises LakeError when the record is not a call."""
        request, response = _utf8(record, "request"), _utf8(record, "response")
        self._requests.append(request)
        self._responses.append(response)
        self.text_bytes += len(request) + len(response)
        self._waiting.append(record)
        if len(self._waiting) == _PART:
            self._settle()

    def batch(self) -> Batch:
        """All records so far; the builder is not to be used again."""
        self._settle()
        metadata = pa.concat_tables([METADATA_SCHEMA.empty_table(), *self._parts])
        return Batch(metadata.combine_chunks(), self._requests, self._responses)

    def _settle(self) -> None:
        if not self._waiting:
            return
        part = metadata_table(self._waiting)
        for endpoint in pc.unique(part["endpoint"]).to_pylist():
            if not endpoint_fits(endpoint):
                raise LakeError(f"endpoint name {endpoint[:40]!r} is empty or too long")
        self._parts.append(part)
        self._waiting.clear()


def batches(records: Iterable[Record], *, rows: int, text_bytes: int) -> Iterator[Batch]:
    """Cut a series where a batch has `rows` calls or `text_bytes` of request and response."""
    builder = BatchBuilder()
    for record in records:
        builder.add(record)
        if builder.rows >= rows or builder.text_bytes >= text_bytes:
            yield builder.batch()
            builder = BatchBuilder()
    if builder.rows:
        yield builder.batch()


def _utf8(record: Record, name: str) -> bytes:
    text = record.get(name)
    if isinstance(text, bytes):
        return text
    if not isinstance(text, str):
        raise LakeError(f"a call has no {name}")
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise LakeError(f"the {name} of a call is not Unicode text") from error
