"""How a sample differs from its population: counts by endpoint, version, length, hour and tools.

The distance of two distributions is the total variation: the share of the sample that would have
to be exchanged to be like the population. A distance that chance explains is said to be none.
Counts only; no text, no rows are kept.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import pi, sqrt
from typing import Any, Self

import pyarrow as pa
import pyarrow.compute as pc

PROFILED = ("endpoint", "model_version", "input_tokens", "output_tokens", "ts", "has_tools")
"""Columns that a profile is counted from."""

_SMALL = 0.02  # nobody minds a distance below
_DEVIATIONS = 3  # of what chance does; it goes further in one sample of a hundred at most
_LISTED = 32  # groups of a dimension that are told apart
_OTHERS = "(others)"
_UNKNOWN = "(unknown)"
_BUCKET_BITS = 2  # lengths are told apart by factors of four
_SCRIPTS = (
    ("Japanese", re.compile("[\u3040-\u30ff]")),
    ("Korean", re.compile("[\uac00-\ud7af\u1100-\u11ff]")),
    ("Chinese", re.compile("[\u3400-\u9fff]")),
    ("Cyrillic", re.compile("[\u0400-\u04ff]")),
    ("Arabic", re.compile("[\u0600-\u06ff]")),
    ("Devanagari", re.compile("[\u0900-\u097f]")),
    ("Latin", re.compile("[A-Za-z\u00c0-\u024f]")),
)


@dataclass
class Profile:
    """Rows counted in each dimension."""

    rows: int = 0
    counts: dict[str, Counter[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, tables: Iterable[pa.Table]) -> Self:
        profile = cls()
        for table in tables:
            profile.add(table)
        return profile

    def add(self, rows: pa.Table) -> None:
        """Count rows that have the `PROFILED` columns."""
        self.rows += rows.num_rows
        total = pc.add(
            pc.coalesce(rows["input_tokens"], 0), pc.coalesce(rows["output_tokens"], 0)
        ).cast(pa.float64())
        magnitude = pc.floor(pc.divide(pc.log2(pc.max_element_wise(total, 1.0)), _BUCKET_BITS))
        self._count("endpoint", rows["endpoint"])
        self._count("version", rows["model_version"])
        self._count("length", magnitude.cast(pa.int32()), _length_words)
        self._count("hour", pc.hour(rows["ts"]), lambda hour: f"{hour:02}h")
        self._count("tools", pc.coalesce(rows["has_tools"], False), _tools_words)

    def add_language(self, text: str) -> None:
        """Count one text by its script."""
        self.counts.setdefault("language", Counter())[language(text)] += 1

    def _count(self, dimension: str, values: Any, say: Any = str) -> None:
        counted = self.counts.setdefault(dimension, Counter())
        for found in pc.value_counts(values).to_pylist():
            group = _UNKNOWN if found["values"] is None else say(found["values"])
            counted[group] += found["counts"]


@dataclass(frozen=True)
class Difference:
    """One dimension of a population and of a sample of it, as counts by group."""

    population: Mapping[str, int]
    sample: Mapping[str, int]

    @property
    def distance(self) -> float:
        """Total variation, from 0 (alike) to 1 (nothing in common)."""
        return sum(abs(shift) for shift in self._shifts.values()) / 2

    @property
    def is_alike(self) -> bool:
        """Whether random samples of these sizes often differ as much.

        Also of the population only some may have been looked at: its language.
        """
        mine, seen = sum(self.sample.values()), sum(self.population.values())
        if not mine or not seen:
            return True
        rows = mine * seen / (mine + seen)
        shares = _shares(self.population).values()
        by_chance = sum(sqrt(2 * share * (1 - share) / (pi * rows)) for share in shares) / 2
        # Each row moves the distance by one share of its side at most, so that its variance is
        # below 1 / 4 rows, however many groups there are (Efron and Stein).
        return self.distance <= max(_SMALL, by_chance + _DEVIATIONS / sqrt(4 * rows))

    @property
    def verdict(self) -> str:
        """In plain words, e.g. `more 03h: 12% of the sample, 4% of the population`."""
        if self.is_alike:
            return "like the population"
        group, shift = max(self._shifts.items(), key=lambda item: (abs(item[1]), item[0]))
        mine, all_ = _shares(self.sample).get(group, 0.0), _shares(self.population).get(group, 0.0)
        more = "more" if shift > 0 else "less"
        return f"{more} {group}: {_percent(mine)} of the sample, {_percent(all_)} of the population"

    def to_json(self) -> dict[str, Any]:
        return {
            "distance": round(self.distance, 4),
            "verdict": self.verdict,
            "population": dict(self.population),
            "sample": dict(self.sample),
        }

    @property
    def _shifts(self) -> dict[str, float]:
        mine, all_ = _shares(self.sample), _shares(self.population)
        return {
            group: mine.get(group, 0.0) - all_.get(group, 0.0) for group in sorted({*mine, *all_})
        }


def compared(population: Profile, sample: Profile) -> dict[str, Difference]:
    """Every dimension that both were counted in."""
    return {
        dimension: Difference(*_listed(counts, sample.counts[dimension]))
        for dimension, counts in population.counts.items()
        if dimension in sample.counts
    }


def language(text: str) -> str:
    """The script a text is written in: of several the first of a fixed list, so that a Chinese
    sentence with an English name in it is Chinese."""
    scripts = _SCRIPTS[-1:] if text.isascii() else _SCRIPTS
    return next((name for name, letters in scripts if letters.search(text)), _UNKNOWN)


def _listed(*counted: Counter[str]) -> list[dict[str, int]]:
    """The same groups of each, the largest of the first told apart and the rest together."""
    groups = {group for counts in counted for group in counts}
    ranked = sorted(groups, key=lambda group: (-counted[0][group], group))
    if len(ranked) > _LISTED:
        ranked = ranked[: _LISTED - 1]
    found = []
    for counts in counted:
        told = {group: counts[group] for group in sorted(ranked) if counts[group]}
        rest = counts.total() - sum(told.values())
        found.append(told | ({_OTHERS: rest} if rest else {}))
    return found


def _shares(counts: Mapping[str, int]) -> dict[str, float]:
    total = sum(counts.values())
    return {group: count / total for group, count in counts.items()} if total else {}


def _length_words(magnitude: int) -> str:
    low, high = 1 << _BUCKET_BITS * magnitude, 1 << _BUCKET_BITS * (magnitude + 1)
    return f"{low if magnitude else 0:,} to {high - 1:,} tokens"


def _tools_words(has_tools: bool) -> str:
    return "with tools" if has_tools else "no tools"


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.01 or not share else f"{share:.1%}"
