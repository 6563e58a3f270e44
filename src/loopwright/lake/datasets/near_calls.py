"""Which calls of a population are nearly those of an earlier one: request and answer both.

A rule about a call in its population, as all cleaning is: it goes when any call that metadata
lets stay came before it, by (time, id), and is near to it. So no two calls that stay are near, a
smaller draw is part of a larger one, and neither files nor the start of a walk matter. The price
is the text of the whole population, read once; about 200 bytes are held for each call.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from loopwright.lake.columns import TEXT_COLUMNS
from loopwright.lake.datasets.cleaning import CLEANED_BY, clean
from loopwright.lake.datasets.matching import Population
from loopwright.lake.datasets.near_duplicates import near_pairs, runs_of, sketch_of
from loopwright.lake.datasets.passages import answer_of, prompt_of
from loopwright.lake.datasets.recipe import Cleaning
from loopwright.lake.datasets.rendering import Exchange, Unsayable

_ROWS = 2048  # of text, held at a time


def near_calls(
    population: Population, cleaning: Cleaning, *, wording: Collection[int], purpose: str
) -> frozenset[str]:
    """Ids of the calls that are near to an earlier one."""
    sketched = sorted(_sketched(population, cleaning, wording, purpose))
    pairs = near_pairs([sketch for _, _, sketch in sketched])
    return frozenset(sketched[later][1] for _, later in pairs)


def _sketched(
    population: Population, cleaning: Cleaning, wording: Collection[int], purpose: str
) -> Iterator[tuple[Any, str, bytes]]:
    """Time, id and joined sketch of every call that has words on both sides."""
    columns = ("ts", "call_id", *TEXT_COLUMNS)
    for table in population.tables((*columns, *CLEANED_BY), purpose=purpose, rows=_ROWS):
        rows = clean(table, cleaning)
        listed = (rows[name].to_pylist() for name in columns)
        for ts, call_id, request, response in zip(*listed, strict=True):
            sketch = _joined_sketch(request, response, wording)
            if sketch is not None:
                yield ts, call_id, sketch


def _joined_sketch(request: str, response: str, wording: Collection[int]) -> bytes | None:
    try:
        exchange = Exchange.parse(request, response)
    except Unsayable:
        return None
    prompt = sketch_of(runs_of(prompt_of(exchange)), wording=wording)
    answer = sketch_of(runs_of(answer_of(exchange)))
    return None if prompt is None or answer is None else prompt + answer
