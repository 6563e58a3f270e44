"""The walk of a draw over a lake: drawn rows in walk order, stretch by stretch, metadata only.

A stretch is as long as its rows are expected to be wanted, so a draw costs its own size and not
the lake's. The order of a walk is the order of the version's lines: ring order from the salt's
start, time order from either end, or the salted rank of an independent draw.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa

from loopwright.lake.datasets.cleaning import CLEANED_BY, with_reasons
from loopwright.lake.datasets.matching import Population, no_rows
from loopwright.lake.datasets.recipe import Order, Recipe
from loopwright.lake.datasets.sampling import (
    Arc,
    Span,
    keys_for,
    mirrored,
    rank,
    ring_start,
    share,
    time_slices,
)
from loopwright.lake.snapshot import Snapshot

# The most rows of one stretch: their metadata takes some tens of MB.
STRETCH_ROWS = 1 << 18
DRAWN_COLUMNS = (
    "call_id",
    "skey",
    "ts",
    "exchange_hash",
    "session_id",
    "has_tools",
    "n_tool_calls",
    "n_media",
    "reasoning_tokens",
    "endpoint",
    "model_version",
    "retain_until",
    *CLEANED_BY,
)


@dataclass(frozen=True)
class Draw:
    """The rows of `snapshot` that `recipe` draws, in walk order."""

    snapshot: Snapshot
    recipe: Recipe

    @cached_property
    def population(self) -> Population:
        return Population(self.snapshot, self.recipe.filter)

    def stretches(self) -> Iterator[pa.Table]:
        """Tables of `DRAWN_COLUMNS` and `reason`, null where metadata lets a row stay.

        A ratio ends at the end of its window. A count goes on to the end of the population:
        the caller stops when it has enough.
        """
        for drawn in self._drawn():
            if drawn.num_rows:
                yield with_reasons(self.population, drawn, self.recipe.cleaning)

    def _drawn(self) -> Iterator[pa.Table]:
        if not self.population.count:
            return iter(())
        if self.recipe.sampling.independent:
            return self._by_rank()
        if self.recipe.sampling.order is Order.RANDOM:
            return self._by_key()
        return self._by_time()

    @property
    def _first_rows(self) -> int:
        return min(self.recipe.sampling.count or STRETCH_ROWS, STRETCH_ROWS)

    def _by_key(self) -> Iterator[pa.Table]:
        sampling, rows = self.recipe.sampling, self.population.count
        arc = Arc(ring_start(sampling.salt), share(sampling.ratio or 1))
        first, most = keys_for(self._first_rows, rows), keys_for(STRETCH_ROWS, rows)
        for keys in arc.slices(first=first, most=most):
            yield _sorted(self.population.tables(DRAWN_COLUMNS, keys=keys), by="skey")

    def _by_time(self) -> Iterator[pa.Table]:
        backwards = self.recipe.sampling.order is Order.REVERSE
        spans = [Span(file.ts_min, file.ts_max, file.rows) for file in self.snapshot.files]
        within = self.population.moments
        if backwards:  # walk time mirrored at zero
            spans, within = [span.mirrored for span in spans], mirrored(within)
        # Files know their own rows, not the matched ones: look as much further.
        spread = max(1, sum(span.rows for span in spans) // self.population.count)
        for walked in time_slices(
            spans,
            within=within,
            first=self._first_rows * spread,
            most=STRETCH_ROWS * spread,
        ):
            moments = mirrored(walked) if backwards else walked
            tables = self.population.tables(DRAWN_COLUMNS, moments=moments)
            yield _sorted(tables, by="ts", backwards=backwards)

    def _by_rank(self) -> Iterator[pa.Table]:
        """Every stretch looks at all call ids: what independence costs."""
        sampling, rows = self.recipe.sampling, self.population.count
        for ranks in Arc(0, share(sampling.ratio or 1)).slices(
            first=keys_for(self._first_rows, rows), most=keys_for(STRETCH_ROWS, rows)
        ):
            tables = self.population.tables(DRAWN_COLUMNS)
            yield _sorted((_ranked(table, sampling.salt, ranks) for table in tables), by="rank")


def _ranked(table: pa.Table, salt: str, within: range) -> pa.Table:
    ranks = [rank(salt, call_id) for call_id in table["call_id"].to_pylist()]
    ranked = table.append_column("rank", pa.array(ranks, pa.int64()))
    return ranked.filter(pa.array([one in within for one in ranks], pa.bool_()))


def _sorted(tables: Iterable[pa.Table], *, by: str, backwards: bool = False) -> pa.Table:
    """The tables as one, by (`by`, call id): equal whatever files the rows lie in."""
    way = "descending" if backwards else "ascending"
    held = [no_rows(DRAWN_COLUMNS), *tables]
    whole = pa.concat_tables(held, promote_options="default")
    return whole.sort_by([(by, way), ("call_id", way)]).select(DRAWN_COLUMNS)
