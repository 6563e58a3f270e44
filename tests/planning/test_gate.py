"""The bound of a difference, at a confidence, always on the side of caution."""

from __future__ import annotations

import pytest

from loopwright.planning.gate import judge, lower_bound
from loopwright.resources.address import Address
from loopwright.resources.base import Promotion

_QUANTILES = {"0.001": -9.0, "0.01": -5.0, "0.05": -2.0, "0.1": -1.0, "0.5": 1.0}


@pytest.mark.parametrize(
    ("confidence", "bound"),
    [
        (0.5, 1.0),
        (0.51, -1.0),
        (0.9, -1.0),
        (0.91, -2.0),
        (0.95, -2.0),
        (0.96, -5.0),
        (0.99, -5.0),
        (0.999, -9.0),
        (0.9999, None),
    ],
)
def test_the_next_quantile_on_the_side_of_caution(confidence: float, bound: float | None) -> None:
    assert lower_bound({"difference": 1, "quantiles": _QUANTILES}, confidence) == bound


def test_without_quantiles_the_interval_serves() -> None:
    assert lower_bound({"difference": 1, "low": -3}, 0.95) == -3
    assert lower_bound({"difference": 1}, 0.95) is None


def _judged(**outputs: object) -> tuple[bool, tuple[str, ...]]:
    nowhere = Address("FineTuneJob", "x")
    promotion = Promotion("model", nowhere, nowhere, 60, 1, manual=False)
    found = judge(promotion, {"composite": 70, "items": 10, **outputs})
    return found.passed, found.facts


def test_of_many_capabilities_the_weakest_are_told() -> None:
    rising = {f"c{n}": {"difference": n, "quantiles": {"0.05": n - 1}} for n in range(5)}
    passed, facts = _judged(comparison=rising)
    assert passed
    assert facts == (
        "composite 70.0 >= 60",
        "c0 +0.0 (at least -1.0 with 95 % confidence)",
        "c1 +1.0 (at least +0.0 with 95 % confidence)",
        "3 other capabilities do better than these",
    )


def test_every_capability_that_falls_too_far_is_told() -> None:
    low = {f"c{n}": {"difference": -n, "quantiles": {"0.05": -n}} for n in range(5)}
    passed, facts = _judged(comparison=low)
    assert not passed
    assert [fact.split()[0] for fact in facts[1:4]] == ["c2", "c3", "c4"]
    assert all(fact.endswith("< -1") for fact in facts[1:4])


def test_bounds_that_nobody_knows_pass_nothing() -> None:
    passed, facts = _judged(comparison={"a": {"difference": 50}})
    assert not passed
    assert facts[-1] == "the evaluation has no bounds at a confidence of 0.95"
