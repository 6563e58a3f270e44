"""A look into the text of a few calls of a population: what they are worded like.

The calls are those with the least sampling keys, so they are the same for a (filter, cut) on every
machine and after any compaction, whatever is drawn.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa

from loopwright.lake.datasets.matching import Population, no_rows
from loopwright.lake.datasets.near_duplicates import runs_of
from loopwright.lake.datasets.passages import prompt_of
from loopwright.lake.datasets.rendering import Exchange, Unsayable
from loopwright.lake.datasets.sampling import keys_for

PROBE_ROWS = 256
_SHARED_BY = 0.1  # of the prompts: from there on a run of words is the template's
_NO_ANSWER = '{"choices": [{"message": {}}]}'  # only what was asked is looked at
_LEAST = 20  # prompts from which on a share means something


@dataclass(frozen=True)
class Probe:
    """Prompts of a few calls. Opening their text is recorded with `purpose`."""

    population: Population
    purpose: str

    @cached_property
    def prompts(self) -> tuple[str, ...]:
        return tuple(self._read())

    @cached_property
    def wording(self) -> frozenset[int]:
        """Runs of words that a tenth of the prompts share: a template's, which make no two calls
        alike. What is repeated that often as a whole is told by its other words, if it has any."""
        counted = Counter(run for prompt in self.prompts for run in runs_of(prompt))
        if len(self.prompts) < _LEAST:
            return frozenset()
        return frozenset(
            run for run, count in counted.items() if count > _SHARED_BY * len(self.prompts)
        )

    def _read(self) -> Iterator[str]:
        call_ids = self._call_ids()
        if not call_ids:
            return
        snapshot = self.population.snapshot
        requests = snapshot.take(call_ids, ("request",), purpose=self.purpose)["request"]
        for request in requests.to_pylist():
            try:
                yield prompt_of(Exchange.parse(request, _NO_ANSWER))
            except Unsayable:
                continue

    def _call_ids(self) -> list[str]:
        """The first on the ring of those in a stretch of it that holds about as many."""
        columns = ("skey", "call_id")
        keys = range(keys_for(PROBE_ROWS, max(1, self.population.count)))
        found = pa.concat_tables([no_rows(columns), *self.population.tables(columns, keys=keys)])
        first = found.sort_by([("skey", "ascending"), ("call_id", "ascending")])
        return list(first["call_id"].slice(0, PROBE_ROWS).to_pylist())
