"""The population of a dataset: the rows of a lake snapshot that its filter matches.

Reads metadata columns only, so it works under the reader role. Which of these rows are drawn is
`walking`'s affair, which of the drawn are left out is `cleaning`'s.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property

import pyarrow as pa
import pyarrow.compute as pc

from loopwright.lake.columns import SCHEMA
from loopwright.lake.condition import Condition
from loopwright.lake.files import LakeFile
from loopwright.lake.recipe import Filter
from loopwright.lake.snapshot import Snapshot

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Rows handled at a time: some tens of MB of metadata.
TABLE_ROWS = 1 << 17


@dataclass(frozen=True)
class Population:
    """The matched rows of `snapshot`, read as often as needed."""

    snapshot: Snapshot
    filter: Filter

    @cached_property
    def condition(self) -> Condition | None:
        return Condition(self.filter.where) if self.filter.where else None

    @cached_property
    def count(self) -> int:
        """How many rows match, exactly. Files that lie wholly inside are not opened."""
        inside = [file for file in self.snapshot.files if self._all_match(file)]
        rest = tuple(file for file in self.snapshot.files if not self._all_match(file))
        opened = Population(replace(self.snapshot, files=rest), self.filter)
        found: int = sum(table.num_rows for table in opened.tables(("skey",)))
        return found + sum(file.rows for file in inside)

    def tables(
        self,
        columns: Sequence[str],
        *,
        narrowed: pc.Expression | None = None,
        keys: range | None = None,
        moments: range | None = None,
    ) -> Iterator[pa.Table]:
        """Matched rows in the files' order, in tables of about `TABLE_ROWS` rows.

        `narrowed`, `keys` (of skey) and `moments` (of ts, in microseconds) narrow further.
        """
        looked_at = self.condition.columns if self.condition else ()
        during = self.moments if moments is None else overlap(self.moments, moments)
        batches = self.snapshot.scan(
            sorted({*columns, *looked_at}),
            where=_all_of((_one_of("model_version", self.filter.model_versions), narrowed)),
            skey_range=None if keys is None else (keys.start, keys.stop),
            ts_range=(during.start, during.stop),
            endpoints=self.filter.endpoints or None,
        )
        for table in gathered(batches, rows=TABLE_ROWS):
            kept = self.condition.keep(table) if self.condition else table
            yield kept.select(list(columns))

    @cached_property
    def moments(self) -> range:
        """The time of the population in microseconds: what files hold, within the filter."""
        held = range(
            min((file.ts_min for file in self.snapshot.files), default=0),
            1 + max((file.ts_max for file in self.snapshot.files), default=-1),
        )
        start, end = _microseconds(self.filter.start), _microseconds(self.filter.end)
        wanted = range(held.start if start is None else start, held.stop if end is None else end)
        return overlap(held, wanted)

    def _all_match(self, file: LakeFile) -> bool:
        chosen = self.filter
        return (
            chosen.where is None
            and not chosen.model_versions
            and (not chosen.endpoints or file.endpoint in chosen.endpoints)
            and file.ts_min in self.moments
            and file.ts_max in self.moments
            and file.seq_max <= self.snapshot.cut
        )


def call_count(snapshot: Snapshot) -> int:
    """All calls of the lake up to the cut."""
    return Population(snapshot, Filter()).count


def overlap(a: range, b: range) -> range:
    start = max(a.start, b.start)
    return range(start, max(start, min(a.stop, b.stop)))


def gathered(batches: Iterable[pa.RecordBatch], *, rows: int) -> Iterator[pa.Table]:
    """The batches as tables of at least `rows` rows, but for the last."""
    held: list[pa.RecordBatch] = []
    size = 0
    for batch in batches:
        held.append(batch)
        size += batch.num_rows
        if size >= rows:
            yield pa.Table.from_batches(held)
            held, size = [], 0
    if size:
        yield pa.Table.from_batches(held)


def no_rows(columns: Sequence[str]) -> pa.Table:
    return pa.schema([SCHEMA.field(name) for name in columns]).empty_table()


def _microseconds(moment: datetime | None) -> int | None:
    return None if moment is None else (moment - _EPOCH) // timedelta(microseconds=1)


def _one_of(column: str, names: Sequence[str]) -> pc.Expression | None:
    return pc.field(column).isin(pa.array(names, pa.string())) if names else None


def _all_of(expressions: Iterable[pc.Expression | None]) -> pc.Expression | None:
    whole: pc.Expression | None = None
    for expression in expressions:
        if expression is not None:
            whole = expression if whole is None else whole & expression
    return whole
