"""The lines of (recipe, lake snapshot) in order, made one after the other, and their tally.

The same generator serves building, rebuilding for a check, and counting. Text is read for drawn
rows only, a bounded piece at a time. Nothing is written here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from loopwright.lake.cleaning import REASON, answers_schema, check_response_schema, token_counts
from loopwright.lake.columns import TEXT_COLUMNS
from loopwright.lake.reasons import DropReason
from loopwright.lake.recipe import Recipe, SplitBy
from loopwright.lake.rendering import Exchange, Unsayable, render
from loopwright.lake.sampling import in_validation
from loopwright.lake.snapshot import Snapshot
from loopwright.lake.version import TRAIN, VALIDATION
from loopwright.lake.walking import Draw

# Text held at a time, going by the calls' own token counts.
_PIECE_BYTES = 48 << 20
_PIECE_ROWS = 1 << 14
_BYTES_A_TOKEN = 4
_BYTES_A_CALL = 512
_ROW_COLUMNS = ("call_id", REASON, "session_id", "input_tokens", "output_tokens")

Row = Mapping[str, Any]


@dataclass
class Tally:
    """What a draw comes to: sampled = kept + all dropped."""

    sampled: int = 0
    kept: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    dropped: Counter[str] = field(default_factory=Counter)

    def keep(self, row: Row) -> None:
        self.sampled += 1
        self.kept += 1
        self.input_tokens += row["input_tokens"] or 0
        self.output_tokens += row["output_tokens"] or 0

    def drop(self, reason: str) -> None:
        self.sampled += 1
        self.dropped[reason] += 1


@dataclass(frozen=True, slots=True)
class Sample:
    """A kept call as it goes into a version: its line without the newline."""

    call_id: str
    split: str
    data: bytes


@dataclass
class Lines:
    """Iterate once: `tally` counts along. Raises DatasetError on a recipe that cannot run."""

    snapshot: Snapshot
    recipe: Recipe
    purpose: str
    tally: Tally = field(default_factory=Tally)

    def __post_init__(self) -> None:
        check_response_schema(self.recipe.filter.response_schema)

    @cached_property
    def draw(self) -> Draw:
        return Draw(self.snapshot, self.recipe)

    def __iter__(self) -> Iterator[Sample]:
        for stretch in self.draw.stretches():
            rest = stretch
            while rest.num_rows and self._missing != 0:
                piece = rest.slice(0, self._piece_rows(rest))
                rest = rest.slice(piece.num_rows)
                yield from self._rendered(piece)
            if self._missing == 0:
                return

    @property
    def _missing(self) -> int | None:
        """Lines still to find; None where a ratio takes what its window holds."""
        count = self.recipe.sampling.count
        return None if count is None else count - self.tally.kept

    def _piece_rows(self, rest: pa.Table) -> int:
        """How many of the next rows to read at once: within bounds, and few more than wanted."""
        rest = rest.slice(0, _PIECE_ROWS)
        stays = pc.cast(pc.is_null(rest[REASON]), pa.int64())
        size = pc.multiply(stays, pc.add(text_bytes(rest), _BYTES_A_CALL))
        fits = pc.less_equal(pc.cumulative_sum(size), _PIECE_BYTES)
        if self._missing is not None:
            most = self._missing + self._missing // 16 + 16  # some will turn out unsayable
            fits = pc.and_(fits, pc.less_equal(pc.cumulative_sum(stays), most))
        fitting: int = pc.sum(fits).as_py()
        return max(1, fitting)

    def _rendered(self, piece: pa.Table) -> Iterator[Sample]:
        staying = piece.filter(pc.is_null(piece[REASON]))
        texts = self._texts(staying) if staying.num_rows else {}
        for row in piece.select(_ROW_COLUMNS).to_pylist():
            if row[REASON] is not None:
                self.tally.drop(row[REASON])
                continue
            sample = self._sample(row, *texts[row["call_id"]])
            if sample is not None:
                yield sample
            if self._missing == 0:
                return

    def _texts(self, rows: pa.Table) -> dict[str, tuple[str, str]]:
        call_ids = rows["call_id"].to_pylist()
        taken = self.snapshot.take(call_ids, TEXT_COLUMNS, purpose=self.purpose)
        texts = zip(*(taken[name].to_pylist() for name in TEXT_COLUMNS), strict=True)
        return dict(zip(call_ids, texts, strict=True))

    def _sample(self, row: Row, request: str, response: str) -> Sample | None:
        try:
            exchange = Exchange.parse(request, response)
            schema = self.recipe.filter.response_schema
            if schema is not None and not answers_schema(exchange, schema):
                raise Unsayable(DropReason.RESPONSE_SCHEMA)
            data = render(exchange, self.recipe.line_format)
        except Unsayable as unsayable:
            self.tally.drop(unsayable.reason.value)
            return None
        self.tally.keep(row)
        return Sample(row["call_id"], self._split(row, exchange), data)

    def _split(self, row: Row, exchange: Exchange) -> str:
        if not self.recipe.split.validation:
            return TRAIN
        by = self.recipe.split.by
        named = {
            SplitBy.CALL: None,
            SplitBy.SESSION: row["session_id"],
            SplitBy.SUBJECT: exchange.subject,
        }[by]
        # A call that names no group is its own: by id, apart from every name.
        group, kind = (named, by.value) if named else (row["call_id"], SplitBy.CALL.value)
        held_out = in_validation(
            self.recipe.split.validation, salt=self.recipe.sampling.salt, by=kind, group=group
        )
        return VALIDATION if held_out else TRAIN


def text_bytes(rows: pa.Table) -> pa.ChunkedArray:
    """About how many bytes of text each row has, by its tokens."""
    return pc.multiply(token_counts(rows), _BYTES_A_TOKEN)
