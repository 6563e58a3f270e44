"""The lines of (recipe, lake snapshot) in order, made one after the other, and their tally.

The same generator serves building, rebuilding for a check, and counting. Text is read for drawn
rows only, a bounded piece at a time. Nothing is written here; what text decides is `sieve`'s.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from loopwright.errors import DatasetError
from loopwright.lake.columns import TEXT_COLUMNS
from loopwright.lake.datasets.cleaning import REASON, check_response_schema, token_counts
from loopwright.lake.datasets.comparison import PROFILED, Profile
from loopwright.lake.datasets.decontamination import Contaminated, Finding
from loopwright.lake.datasets.near_duplicates import runs_of, sketch_of
from loopwright.lake.datasets.passages import prompt_of
from loopwright.lake.datasets.recipe import Recipe, SplitBy
from loopwright.lake.datasets.rendering import Exchange, Unsayable
from loopwright.lake.datasets.sieve import Questions, Sieve
from loopwright.lake.datasets.splitting import Group, Moment, Parting
from loopwright.lake.datasets.version import TRAIN
from loopwright.lake.datasets.walking import Draw
from loopwright.lake.snapshot import Snapshot

# Text held at a time, going by the calls' own token counts.
_PIECE_BYTES = 48 << 20
_PIECE_ROWS = 1 << 14
_BYTES_A_TOKEN = 4
_BYTES_A_CALL = 512
_ROW_COLUMNS = ("call_id", REASON, "session_id", "input_tokens", "output_tokens", "ts")

Row = Mapping[str, Any]


@dataclass
class Tally:
    """What a draw comes to: sampled = kept + all dropped."""

    sampled: int = 0
    kept: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    corrected: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    leaks: Counter[Finding] = field(default_factory=Counter)
    """What the contaminated give away, and how."""
    profile: Profile = field(default_factory=Profile)

    def keep(self, row: Row, *, corrected: bool = False) -> None:
        self.sampled += 1
        self.kept += 1
        self.corrected += corrected
        self.input_tokens += row["input_tokens"] or 0
        self.output_tokens += row["output_tokens"] or 0

    def drop(self, reason: str) -> None:
        self.sampled += 1
        self.dropped[reason] += 1


@dataclass(frozen=True, slots=True)
class Sample:
    """A kept call as it goes into a version: its line without the newline."""

    call_id: str
    data: bytes


@dataclass
class Lines:
    """Iterate once, then ask for `splits`; `tally` counts along.

    Raises DatasetError on a recipe that cannot run.
    """

    snapshot: Snapshot
    recipe: Recipe
    purpose: str
    held_out: Questions = field(default_factory=dict)
    tally: Tally = field(default_factory=Tally)

    def __post_init__(self) -> None:
        check_response_schema(self.recipe.filter.response_schema)
        if missing := sorted(self.recipe.held_out.keys() - self.held_out.keys()):
            raise DatasetError(
                f"Cannot hold calls against {missing[0]}: its questions are not given"
            )
        self._parting = Parting(self.recipe.split, self.recipe.sampling.salt)

    @cached_property
    def draw(self) -> Draw:
        return Draw(self.snapshot, self.recipe)

    @cached_property
    def sieve(self) -> Sieve:
        return Sieve(self.draw.population, self.recipe, self.purpose, self.held_out)

    def __iter__(self) -> Iterator[Sample]:
        for stretch in self.draw.stretches():
            rest = stretch
            while rest.num_rows and self._missing != 0:
                piece = rest.slice(0, self._piece_rows(rest))
                rest = rest.slice(piece.num_rows)
                kept = []
                for sample in self._rendered(piece):
                    kept.append(sample.call_id)
                    yield sample
                among = pc.is_in(piece["call_id"], value_set=pa.array(kept, pa.string()))
                self.tally.profile.add(piece.filter(among).select(PROFILED))
            if self._missing == 0:
                return

    def splits(self) -> Sequence[str]:
        """Where each sample goes, in their order; known when all of them are."""
        if not self.recipe.split.validation:
            return [TRAIN] * self.tally.kept
        return self._parting.splits()

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
            rendered = self.sieve.line(row["call_id"], request, response)
        except Unsayable as unsayable:
            self.tally.drop(unsayable.reason.value)
            if isinstance(unsayable, Contaminated):
                self.tally.leaks[unsayable.finding] += 1
            return None
        self.tally.keep(row, corrected=rendered.corrected)
        self._note(row, rendered.exchange)
        return Sample(row["call_id"], rendered.data)

    def _note(self, row: Row, exchange: Exchange) -> None:
        """What is known of a kept call beyond its line."""
        prompt = prompt_of(exchange)
        self.tally.profile.add_language(prompt)
        if self.recipe.split.validation:
            moment = Moment(row["ts"], row["call_id"])
            sketch = sketch_of(runs_of(prompt), wording=self.sieve.probe.wording)
            self._parting.add(self._group(row, exchange), moment, sketch)

    def _group(self, row: Row, exchange: Exchange) -> Group:
        by = self.recipe.split.by
        named = {
            SplitBy.CALL: None,
            SplitBy.SESSION: row["session_id"],
            SplitBy.SUBJECT: exchange.subject,
        }[by]
        # A call that names no group is its own: by id, apart from every name.
        return Group(by.value, named) if named else Group(SplitBy.CALL.value, row["call_id"])


def text_bytes(rows: pa.Table) -> pa.ChunkedArray:
    """About how many bytes of text each row has, by its tokens."""
    return pc.multiply(token_counts(rows), _BYTES_A_TOKEN)
