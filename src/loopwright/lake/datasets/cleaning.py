"""Which of the drawn calls metadata alone leaves out, and the check of the answer's form.

Cleaning is a rule about a row in its population, never about a row in its draw: of equal calls
the least (time, id) of the whole population stays. So a smaller draw is always part of a larger
one, and no result depends on where a walk began.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from loopwright.answer_schemas import problem_of, satisfies
from loopwright.errors import DatasetError
from loopwright.lake.datasets.matching import Population
from loopwright.lake.datasets.reasons import DropReason
from loopwright.lake.datasets.recipe import Cleaning, Dedup
from loopwright.lake.datasets.rendering import Exchange

REASON = "reason"
CLEANED_BY = ("operation", "outcome", "input_tokens", "output_tokens")
_EQUAL = "exchange_hash"
_TEXT_GONE = "retain_until"  # set when retention takes a call's text


def with_reasons(population: Population, drawn: pa.Table, cleaning: Cleaning) -> pa.Table:
    """`drawn` with a column `reason`: why metadata leaves the row out, null where it does not."""
    reasons = _own_reasons(drawn, cleaning)
    if cleaning.dedup is not Dedup.NONE:
        duplicate = _duplicates(population, drawn.filter(pc.is_null(reasons)), cleaning)
        if duplicate:
            among = pc.is_in(drawn["call_id"], pa.array(sorted(duplicate), pa.string()))
            named = pa.scalar(DropReason.DUPLICATE.value)
            reasons = pc.if_else(pc.and_(pc.is_null(reasons), among), named, reasons)
    gone = pc.and_(pc.is_null(reasons), pc.is_valid(drawn[_TEXT_GONE]))
    reasons = pc.if_else(gone, DropReason.EXPIRED.value, reasons)
    return drawn.append_column(REASON, reasons)


def _own_reasons(rows: pa.Table, cleaning: Cleaning) -> pa.ChunkedArray:
    """What a row's own metadata says against it. Later tests overwrite: the most basic one wins."""
    tests: list[tuple[DropReason, pa.ChunkedArray]] = []
    if cleaning.max_tokens is not None:
        tests.append((DropReason.TOO_LONG, pc.greater(token_counts(rows), cleaning.max_tokens)))
    if cleaning.min_tokens is not None:
        tests.append((DropReason.TOO_SHORT, pc.less(token_counts(rows), cleaning.min_tokens)))
    tests.append((DropReason.OUTCOME, _not_in(rows["outcome"], cleaning.outcomes)))
    tests.append((DropReason.OPERATION, _not_in(rows["operation"], ("chat",))))
    reasons = pa.chunked_array([pa.nulls(rows.num_rows, pa.string())])
    for reason, holds in tests:
        reasons = pc.if_else(holds, reason.value, reasons)
    return reasons


def token_counts(rows: pa.Table) -> pa.ChunkedArray:
    """Input plus output tokens of each row; what is not known counts nothing."""
    return pc.add(
        pc.cast(pc.coalesce(rows["input_tokens"], 0), pa.int64()),
        pc.cast(pc.coalesce(rows["output_tokens"], 0), pa.int64()),
    )


def _not_in(column: pa.ChunkedArray, names: tuple[str, ...]) -> pa.ChunkedArray:
    return pc.invert(pc.is_in(column.cast(pa.string()), pa.array(names, pa.string())))


def _duplicates(population: Population, rows: pa.Table, cleaning: Cleaning) -> set[str]:
    """Ids among `rows` that have an equal of lesser (time, id) in the population."""
    contested = _contested(population, pc.unique(rows[_EQUAL]).drop_null())
    if not len(contested):
        return set()
    first: dict[bytes, tuple[Any, str]] = {}
    for table in population.tables(
        (_EQUAL, "ts", "call_id", *CLEANED_BY), narrowed=pc.field(_EQUAL).isin(contested)
    ):
        for equal, *place in _places(clean(table, cleaning)):
            first[equal] = min(first.get(equal, tuple(place)), tuple(place))
    candidates = rows.filter(pc.is_in(rows[_EQUAL], contested))
    return {place[1] for equal, *place in _places(candidates) if tuple(place) != first[equal]}


def _contested(population: Population, equals: pa.Array) -> pa.Array:
    """Those of the given exchange hashes that more than one row of the population has.

    One narrow look at all matched rows; few calls have an equal, so all else is read for few.
    """
    seen = [equals[:0]]
    for table in population.tables((_EQUAL,)):
        seen.extend(table[_EQUAL].filter(pc.is_in(table[_EQUAL], equals)).chunks)
    counts = pc.value_counts(pa.chunked_array(seen))
    return counts.filter(pc.greater(counts.field("counts"), 1)).field("values")


def clean(rows: pa.Table, cleaning: Cleaning) -> pa.Table:
    """The rows whose own metadata says nothing against them; needs the `CLEANED_BY` columns."""
    return rows.filter(pc.is_null(_own_reasons(rows, cleaning)))


def _places(rows: pa.Table) -> list[tuple[bytes, Any, str]]:
    moments = rows["ts"].cast(pa.int64())
    return list(
        zip(rows[_EQUAL].to_pylist(), moments.to_pylist(), rows["call_id"].to_pylist(), strict=True)
    )


def check_response_schema(schema: Mapping[str, Any] | None) -> None:
    """Refuse a response schema that is none. Raises DatasetError."""
    if schema is not None and (problem := problem_of(schema)):
        raise DatasetError(f"filter.responseSchema {problem}")


def answers_schema(exchange: Exchange, schema: Mapping[str, Any]) -> bool:
    """Whether the answer's content is JSON that satisfies `schema`."""
    content = exchange.answer.get("content")
    if not isinstance(content, str):
        return False
    try:
        value = orjson.loads(content)
    except ValueError:
        return False
    return satisfies(orjson.dumps(schema))(value)
