"""What a dataset version would come to, counted in the lake under the metadata key alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loopwright.lake.estimating import Estimate as Count
from loopwright.lake.estimating import estimate as count
from loopwright.lake.keys import Role
from loopwright.lake.reasons import DropReason
from loopwright.lake.recipe import Recipe
from loopwright.lake.store import Lake
from loopwright.lake.walking import Draw
from loopwright.providers.base import Estimate, LastRun, Range
from loopwright.providers.local.lake_place import open_lake
from loopwright.providers.local.places import Places
from loopwright.providers.local.shortages import known_shortage

_METADATA_REASONS = frozenset(
    {
        DropReason.OPERATION,
        DropReason.OUTCOME,
        DropReason.TOO_SHORT,
        DropReason.TOO_LONG,
        DropReason.DUPLICATE,
    }
)


def estimate_of(
    named: Mapping[str, Any], spec: Mapping[str, Any], places: Places, *, last: LastRun | None
) -> Estimate:
    """Raises LakeError when the lake cannot be read, DatasetError on a bad condition."""
    lake = open_lake(named["storage"], named["key"], places, role=Role.READER)
    recipe = Recipe.from_spec(spec)
    found = count(lake.snapshot(), recipe)
    low, high = found.rows
    tokens = found.input_tokens + found.output_tokens
    least = tokens * low / high if high else 0
    share = _share(found, last)
    return Estimate(
        rows=Range(round(high * share), low, high),
        population=Range.exact(found.matched),
        tokens=Range(round(tokens * share), round(least), tokens),
        dropped={reason: Range.exact(rows) for reason, rows in found.dropped.items()},
        new_calls=_new_calls(lake, recipe, last) if last else None,
        waiting=_waiting(found, known_shortage(places, recipe, lake)),
        notes=_notes(found, recipe),
    )


def _share(found: Count, last: LastRun | None) -> float:
    """Of the rows that metadata lets stay, how many the text did last time; all without a hint."""
    if found.wanted is not None or found.rows[0] == found.rows[1] or last is None:
        return 1.0
    dropped: Mapping[str, int] = last.outputs["dropped"]
    by_text = sum(count for reason, count in dropped.items() if reason not in _METADATA_REASONS)
    kept: int = last.outputs["rows"]
    return kept / (kept + by_text) if kept else 1.0


def _new_calls(lake: Lake, recipe: Recipe, last: LastRun) -> int:
    """Matching calls past the cut of the last version; all of them when that had another lake."""
    now = Draw(lake.snapshot(), recipe).population.count
    if last.outputs.get("lakeId") != lake.lake_id:
        return now
    before = Draw(lake.snapshot(through=last.outputs["cut"]), recipe).population.count
    return now - before


def _waiting(found: Count, tried: int | None) -> str:
    if found.enough and tried is None:
        return ""
    if found.wanted is None:
        return f"no usable call among {found.population:,}"
    have = found.rows[1] if tried is None else tried
    return f"{have:,} of {found.wanted:,} rows"


def _notes(found: Count, recipe: Recipe) -> tuple[str, ...]:
    low, high = found.rows
    if low == high:
        return ()
    asked = " or the response schema" if recipe.filter.response_schema is not None else ""
    return (f"up to {high - low:,} rows may be left out by the line format{asked}",)
