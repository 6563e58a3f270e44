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
from loopwright.lake.datasets.condition import Condition
from loopwright.lake.datasets.filtering import Bounds, Filter
from loopwright.lake.datasets.judging import judged_calls
from loopwright.lake.files import LakeFile
from loopwright.lake.snapshot import Snapshot

_INPUT, _OUTPUT = (
    pc.coalesce(pc.field(name), pa.scalar(0, pa.int32()))
    for name in ("input_tokens", "output_tokens")
)
_TOKENS = {"input": _INPUT, "output": _OUTPUT, "total": _INPUT + _OUTPUT}
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
        purpose: str = "",
        rows: int = TABLE_ROWS,
    ) -> Iterator[pa.Table]:
        """Matched rows in the files' order, in tables of about so many `rows`.

        `narrowed`, `keys` (of skey) and `moments` (of ts, in microseconds) narrow further. Text
        is read under the lake's rules, and recorded with `purpose`.
        """
        during = self.moments if moments is None else overlap(self.moments, moments)
        batches = self.snapshot.scan(
            sorted({*columns, *self._looked_at}),
            where=_all_of((self._scalars, narrowed)),
            skey_range=None if keys is None else (keys.start, keys.stop),
            ts_range=(during.start, during.stop),
            endpoints=self.filter.endpoints or None,
            purpose=purpose,
        )
        for table in gathered(batches, rows=rows):
            yield self._kept(table).select(list(columns))

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
            chosen.goes_by_file
            and (not chosen.endpoints or file.endpoint in chosen.endpoints)
            and file.ts_min in self.moments
            and file.ts_max in self.moments
            and file.seq_max <= self.snapshot.cut
        )

    @cached_property
    def _scalars(self) -> pc.Expression | None:
        """What the filter says of scalar columns."""
        chosen = self.filter
        bounds = (_within(_TOKENS[of], bounds) for of, bounds in chosen.tokens.items())
        return _all_of(
            (
                _one_of("model_version", chosen.model_versions),
                _one_of("outcome", chosen.outcomes),
                *bounds,
            )
        )

    @cached_property
    def _judged(self) -> pa.Array | None:
        """The calls that feedback lets through; None where it is not asked."""
        rules = self.filter.feedback
        return judged_calls(self.snapshot, rules) if rules else None

    @property
    def _looked_at(self) -> set[str]:
        """Columns that `_kept` needs."""
        chosen = self.filter
        tags, judged = {"tags"} if chosen.tags else set(), {"call_id"} if chosen.feedback else set()
        return {*(self.condition.columns if self.condition else ()), *tags, *judged}

    def _kept(self, table: pa.Table) -> pa.Table:
        """The rows that satisfy what no scalar column tells."""
        for name, value in self.filter.tags.items():
            found = pc.map_lookup(table["tags"], pa.scalar(name), "last")
            table = table.filter(pc.equal(found, value))
        if self._judged is not None:
            table = table.filter(pc.is_in(table["call_id"], value_set=self._judged))
        return self.condition.keep(table) if self.condition else table


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


def _within(tokens: pc.Expression, bounds: Bounds) -> pc.Expression | None:
    least = None if bounds.least is None else tokens >= bounds.least
    return _all_of((least, None if bounds.most is None else tokens <= bounds.most))


def _one_of(column: str, names: Sequence[str]) -> pc.Expression | None:
    return pc.field(column).isin(pa.array(names, pa.string())) if names else None


def _all_of(expressions: Iterable[pc.Expression | None]) -> pc.Expression | None:
    whole: pc.Expression | None = None
    for expression in expressions:
        if expression is not None:
            whole = expression if whole is None else whole & expression
    return whole
