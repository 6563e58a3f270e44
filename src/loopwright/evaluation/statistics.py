"""Means with bootstrap intervals, and differences paired by item.

A resample draws the items of each dataset anew, with replacement, as many as there are; datasets
are drawn apart. Capabilities and the composite are means of the same resamples, and so are
differences, so that a model is compared on the items that both answered. The seed is a digest of
the items: equal evaluations have equal intervals.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loopwright.evaluation.results import Difference, Interval, ItemRecord, Score
from loopwright.hashing import digest

RESAMPLES = 10_000
QUANTILES = ("0.001", "0.005", "0.01", "0.025", "0.05", "0.1", "0.2", "0.3", "0.4", "0.5")
_AT_ONCE = 1 << 21
Key = tuple[str, str]
"""Capability and dataset."""
Points = NDArray[np.float64]


@dataclass(frozen=True)
class Standing:
    """The points of several subjects on the same items.

    `points` holds, by dataset, an array of items x subjects, 0-100; a subject without a score
    for some dataset has NaN there, and no capability or composite that needs it.
    """

    labels: Sequence[str]
    points: Mapping[Key, Points]
    weights: Mapping[Key, float]
    confidence: float
    seed: str
    failed: Mapping[tuple[Key, str], int] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        records: Iterable[ItemRecord],
        weights: Mapping[Key, float],
        labels: Sequence[str],
        *,
        confidence: float,
    ) -> Standing:
        """Of item records; a label that did not answer an item has no score in its dataset."""
        rows: dict[Key, list[list[float]]] = {key: [] for key in weights}
        ids: dict[Key, list[str]] = {key: [] for key in weights}
        failed: dict[tuple[Key, str], int] = {}
        for record in records:
            key = (record.capability, record.dataset)
            answers = [record.answers.get(label) for label in labels]
            rows[key].append([one.score if one else np.nan for one in answers])
            ids[key].append(record.id)
            for label, one in zip(labels, answers, strict=True):
                if one is not None and one.error:
                    failed[key, label] = failed.get((key, label), 0) + 1
        points = {key: np.array(of, dtype=np.float64) for key, of in rows.items() if of}
        seed = digest(sorted([*key, sorted(ids[key])] for key in points))
        return cls(labels, points, weights, confidence, seed, failed)

    @cached_property
    def capabilities(self) -> Mapping[str, Sequence[Key]]:
        found: dict[str, list[Key]] = {}
        for key in self.points:
            found.setdefault(key[0], []).append(key)
        return found

    def dataset(self, key: Key, label: str) -> Score | None:
        """None where the subject has no score."""
        return self._score(label, [key], self._means[key], self._draws[key])

    def capability(self, name: str, label: str) -> Score | None:
        keys = self.capabilities[name]
        return self._score(
            label, keys, self._weighed(self._means, keys), self._weighed(self._draws, keys)
        )

    def composite(self, label: str) -> Score | None:
        return self._score(
            label, list(self.points), self._composed(self._means), self._composed(self._draws)
        )

    def compare_datasets(self, one: str, other: str) -> dict[Key, Difference]:
        return self._compared(
            one,
            other,
            {key: ([key], self._means[key], self._draws[key]) for key in self.points},
        )

    def compare_capabilities(self, one: str, other: str) -> dict[str, Difference]:
        return self._compared(
            one,
            other,
            {
                name: (keys, self._weighed(self._means, keys), self._weighed(self._draws, keys))
                for name, keys in self.capabilities.items()
            },
        )

    def compare(self, one: str, other: str) -> Difference | None:
        """The composites; None where one of them has none."""
        whole = (list(self.points), self._composed(self._means), self._composed(self._draws))
        return self._compared(one, other, {"": whole}).get("")

    @cached_property
    def _means(self) -> Mapping[Key, Points]:
        return {key: points.mean(axis=0) for key, points in self.points.items()}

    @cached_property
    def _draws(self) -> Mapping[Key, Points]:
        """Resamples x subjects, by dataset."""
        return {
            key: resampled_means(points, seed=digest([self.seed, *key]))
            for key, points in self.points.items()
        }

    def _weighed(self, values: Mapping[Key, Points], keys: Sequence[Key]) -> Points:
        total = sum(self.weights[key] for key in keys)
        parts = [values[key] * (self.weights[key] / total) for key in keys]
        weighed: Points = np.sum(parts, axis=0, dtype=np.float64)
        return weighed

    def _composed(self, values: Mapping[Key, Points]) -> Points:
        parts = [self._weighed(values, keys) for keys in self.capabilities.values()]
        composed: Points = np.mean(parts, axis=0, dtype=np.float64)
        return composed

    def _score(self, label: str, keys: Sequence[Key], means: Points, draws: Points) -> Score | None:
        column = self.labels.index(label)
        if np.isnan(means[column]):
            return None
        items = sum(len(self.points[key]) for key in keys)
        failed = sum(self.failed.get((key, label), 0) for key in keys)
        interval = self._interval(draws[:, column])
        return Score(rounded(means[column]), interval, items, failed)

    def _interval(self, draws: Points) -> Interval:
        tail = (1 - self.confidence) / 2
        low, high = np.quantile(draws, [tail, 1 - tail])
        return Interval(rounded(low), rounded(high))

    def _compared(
        self, one: str, other: str, wholes: Mapping[Any, tuple[Sequence[Key], Points, Points]]
    ) -> dict[Any, Difference]:
        mine, theirs = self.labels.index(one), self.labels.index(other)
        found = {}
        for name, (keys, means, draws) in wholes.items():
            if np.isnan(means[mine] - means[theirs]):
                continue
            apart = draws[:, mine] - draws[:, theirs]
            items = np.concatenate([self.points[key][:, [mine, theirs]] for key in keys])
            found[name] = Difference(
                rounded(means[mine] - means[theirs]),
                self._interval(apart),
                wins=int((items[:, 0] > items[:, 1]).sum()),
                ties=int((items[:, 0] == items[:, 1]).sum()),
                losses=int((items[:, 0] < items[:, 1]).sum()),
                quantiles=dict(
                    zip(QUANTILES, map(rounded, np.quantile(apart, _levels())), strict=True)
                ),
            )
        return found


def resampled_means(points: Points, *, seed: str, resamples: int = RESAMPLES) -> Points:
    """Means of each column over resampled rows, resamples x columns.

    Where rows are mostly equal, as with right and wrong, how often each is drawn is drawn at
    once; the distribution is the same.
    """
    rng = np.random.default_rng(int(seed.removeprefix("sha256:")[:16], 16))
    kinds, counts = np.unique(points, axis=0, return_counts=True)
    if len(kinds) * 8 <= len(points):
        drawn = rng.multinomial(len(points), counts / len(points), size=resamples)
        means: Points = drawn @ kinds / len(points)
        return means
    step = max(1, _AT_ONCE // points.size)
    parts = [
        points[rng.integers(0, len(points), (min(step, resamples - done), len(points)))].mean(
            axis=1
        )
        for done in range(0, resamples, step)
    ]
    return np.concatenate(parts)


def rounded(value: float) -> float:
    """Points as they are told: six decimals, so that sums in another order are the same."""
    return round(float(value), 6) + 0.0


def _levels() -> list[float]:
    return [float(level) for level in QUANTILES]
