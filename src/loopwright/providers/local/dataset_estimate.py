"""What a dataset version would come to, counted in the lake under the metadata key alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from loopwright.lake.datasets.estimating import Estimate as Count
from loopwright.lake.datasets.estimating import estimate as count
from loopwright.lake.datasets.held_out import digest_of
from loopwright.lake.datasets.reasons import DropReason
from loopwright.lake.datasets.recipe import Dedup, Recipe
from loopwright.lake.datasets.walking import Draw
from loopwright.lake.keys import Role
from loopwright.lake.store import Lake
from loopwright.providers.base import Estimate, LastRun, Range, Target
from loopwright.providers.local.held_out_sets import held_out_files, not_held_against
from loopwright.providers.local.lake_place import open_lake
from loopwright.providers.local.places import Places
from loopwright.providers.local.recipes import recipe_spec, source_lake
from loopwright.providers.local.shortages import known_shortage

_ALIKE = "sample like its population"
_METADATA_REASONS = frozenset(
    {
        DropReason.OPERATION,
        DropReason.OUTCOME,
        DropReason.TOO_SHORT,
        DropReason.TOO_LONG,
        DropReason.DUPLICATE,
        DropReason.EXPIRED,
    }
)


def estimate_of(target: Target, places: Places, *, last: LastRun | None) -> Estimate:
    """Raises LakeError when the lake cannot be read, DatasetError on a bad condition."""
    named = source_lake(target)
    lake = open_lake(named["storage"], named["key"], places, role=Role.READER)
    held_out = {name: digest_of(path) for name, path in held_out_files(target, places).items()}
    recipe = Recipe.from_spec(recipe_spec(target.spec) | {"heldOut": held_out})
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
        notes=(
            *_notes(found, recipe, last),
            *(
                f"not held against {name}: {why}"
                for name, why in not_held_against(target, places).items()
            ),
        ),
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


def _notes(found: Count, recipe: Recipe, last: LastRun | None) -> Iterator[str]:
    low, high = found.rows
    if low < high:
        instead = "" if found.wanted is None else "; the next calls take their place"
        yield f"up to {high - low:,} rows may be left out by {_deciding(recipe)}{instead}"
    if recipe.held_out:
        leaks = (last.outputs.get("leaks") if last else None) or {}
        before = f"; {_leak_words(leaks)} gave one away last time" if leaks else ""
        yield f"held against {_counted(len(recipe.held_out), 'set')} of questions{before}"
    if found.rows[1] and found.comparison:
        differing = {name: one for name, one in found.comparison.items() if not one.is_alike}
        yield "; ".join(f"{name}: {one.verdict}" for name, one in differing.items()) or _ALIKE


def _deciding(recipe: Recipe) -> str:
    """What needs the text to decide."""
    said = {
        "the line format": True,
        "the response schema": recipe.filter.response_schema is not None,
        "nearness to earlier calls": recipe.cleaning.dedup is Dedup.NEAR,
        "held-out questions": bool(recipe.held_out),
    }
    *others, last = (name for name, holds in said.items() if holds)
    return f"{', '.join(others)} or {last}" if others else last


def _leak_words(leaks: Mapping[str, Mapping[str, int]]) -> str:
    """E.g. `12 calls (router/routing/paraphrases 12)`."""
    counts = {name: sum(ways.values()) for name, ways in leaks.items()}
    each = ", ".join(f"{name} {count:,}" for name, count in counts.items())
    return f"{_counted(sum(counts.values()), 'call')} ({each})"


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
