"""Means, intervals and comparisons: a table by hand, and scipy's bootstrap beside ours."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import bootstrap

from loopwright.evaluation.results import Answer, ItemRecord
from loopwright.evaluation.statistics import QUANTILES, RESAMPLES, Standing, resampled_means

A, B, C = ("x", "a"), ("x", "b"), ("y", "c")
WEIGHTS = {A: 1.0, B: 3.0, C: 1.0}
ONE = {A: [100, 0], B: [50, 100, 0], C: [80]}
TWO = {A: [0, 0], B: [50, 50, 50], C: [100]}


def records(**by_label: dict[tuple[str, str], list[float]]) -> list[ItemRecord]:
    first = next(iter(by_label.values()))
    return [
        ItemRecord(
            f"{key}{number}",
            *key,
            (),
            None,
            {
                label: Answer("", points[key][number])
                for label, points in by_label.items()
                if key in points
            },
        )
        for key, scores in first.items()
        for number in range(len(scores))
    ]


def standing(**by_label: dict[tuple[str, str], list[float]]) -> Standing:
    return Standing.of(records(**by_label), WEIGHTS, list(by_label), confidence=0.95)


def test_scores_are_means_weighted_within_a_capability() -> None:
    found = standing(one=ONE, two=TWO)
    dataset, capability = found.dataset(B, "one"), found.capability("x", "one")
    assert dataset is not None
    assert capability is not None
    assert (dataset.score, dataset.items) == (50, 3)
    assert (capability.score, capability.items) == (50, 5)  # (1 * 50 + 3 * 50) / 4
    other = found.capability("x", "two")
    assert other is not None
    assert other.score == 37.5  # (1 * 0 + 3 * 50) / 4
    composite = found.composite("one")
    assert composite is not None
    assert (composite.score, composite.items) == (65, 6)  # (50 + 80) / 2


def test_differences_are_of_the_same_items() -> None:
    found = standing(one=ONE, two=TWO)
    apart = found.compare_capabilities("one", "two")
    assert {name: one.difference for name, one in apart.items()} == {"x": 12.5, "y": -20}
    x = apart["x"]
    assert (x.wins, x.ties, x.losses) == (2, 2, 1)
    assert apart["y"].interval.low == apart["y"].interval.high == -20  # one item, no doubt told
    assert list(x.quantiles) == list(QUANTILES)
    assert sorted(x.quantiles.values()) == list(x.quantiles.values())
    assert x.quantiles["0.025"] == x.interval.low
    whole = found.compare("one", "two")
    assert whole is not None
    assert whole.difference == -3.75


def test_who_did_not_answer_a_dataset_has_no_score_that_needs_it() -> None:
    found = standing(one=ONE, floor={A: TWO[A], B: TWO[B]})
    assert found.capability("x", "floor") is not None
    assert found.capability("y", "floor") is None
    assert found.composite("floor") is None
    assert found.compare("one", "floor") is None
    assert list(found.compare_capabilities("one", "floor")) == ["x"]


def test_equal_evaluations_have_equal_intervals() -> None:
    first, again = standing(one=ONE, two=TWO), standing(one=ONE, two=TWO)
    assert first.composite("one") == again.composite("one")
    assert first.compare("one", "two") == again.compare("one", "two")


@pytest.mark.parametrize("kind", ["right or wrong", "shares"])
def test_intervals_are_those_of_scipy(kind: str) -> None:
    """Two Monte Carlo draws of a quantile, each from 10,000, differ by their own error only."""
    rng = np.random.default_rng(5)
    few, many = rng.integers(0, 2, 200) * 100.0, rng.uniform(0, 100, 80)
    points = few if kind == "right or wrong" else many
    ours = resampled_means(points[:, None], seed="sha256:0123456789abcdef")[:, 0]
    assert len(ours) == RESAMPLES
    theirs = bootstrap(
        (points,), np.mean, n_resamples=RESAMPLES, method="percentile", rng=rng
    ).bootstrap_distribution
    spread = points.std() / np.sqrt(len(points))
    for level in (0.025, 0.5, 0.975):
        # The error of a quantile is sqrt(p (1 - p) / n) over the density there.
        density = np.exp(-(({0.025: 1.96, 0.5: 0.0, 0.975: 1.96}[level]) ** 2) / 2) / 2.5066
        error = np.sqrt(level * (1 - level) / RESAMPLES) / density * spread
        step = 100 / len(points) if kind == "right or wrong" else 0.0
        assert abs(np.quantile(ours, level) - np.quantile(theirs, level)) < 5 * error + step
    assert abs(ours.std() - theirs.std()) < 0.05 * spread


def test_paired_comparisons_see_what_apart_intervals_hide() -> None:
    """Two models that differ by a little on every item, over items of very different hardness."""
    rng = np.random.default_rng(7)
    hardness = rng.uniform(0, 80, 100)
    low = {A: list(hardness), B: [0.0], C: [0.0]}
    high = {A: list(hardness + 5 + rng.normal(0, 1, 100)), B: [0.0], C: [0.0]}
    found = standing(high=high, low=low)
    apart = found.compare_datasets("high", "low")[A]
    mine, theirs = found.dataset(A, "high"), found.dataset(A, "low")
    assert mine is not None
    assert theirs is not None
    assert mine.interval.low < theirs.interval.high
    assert 4.5 < apart.interval.low < apart.interval.high < 5.5
