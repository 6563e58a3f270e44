"""Buckets never give out more than their limit, and tell truly when they will give again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopwright.gateway.limits import Bucket, EndpointLimits
from loopwright.gateway.refusals import RefusalError
from loopwright.gateway.settings import Endpoint


class Seconds:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@given(st.integers(1, 1000), st.lists(st.floats(0, 100), max_size=60))
def test_no_minute_gives_more_than_a_full_bucket_and_its_refill(
    limit: int, pauses: list[float]
) -> None:
    clock = Seconds()
    bucket = Bucket(limit, clock=clock)
    given_out = 0
    for pause in pauses:
        clock.now += pause
        while bucket.wait(1) == 0 and given_out < 10_000:
            bucket.take(1)
            given_out += 1
    assert given_out <= limit + limit * clock.now / 60 + 1e-6


@given(st.integers(1, 1000), st.integers(0, 1000))
def test_after_the_wait_it_tells_of_the_next_is_given(limit: int, taken: int) -> None:
    clock = Seconds()
    bucket = Bucket(limit, clock=clock)
    bucket.take(taken)
    clock.now += bucket.wait(1) + 1e-6
    assert bucket.wait(1) == 0


def test_a_clock_that_goes_backwards_gives_nothing_and_breaks_nothing() -> None:
    clock = Seconds()
    bucket = Bucket(60, clock=clock)
    bucket.take(60)
    clock.now -= 1000
    assert bucket.level() == 0
    clock.now += 2
    assert bucket.level() == pytest.approx(2)


def test_tokens_are_charged_by_an_estimate_and_settled_by_the_answer() -> None:
    clock = Seconds()
    limits = EndpointLimits(Endpoint(name="chat", upstreams=(), tpm=600), clock=clock)
    taken = limits.admit(100)
    limits.settle(taken, 550)
    told = dict(limits.headers())
    assert told["x-ratelimit-limit-tokens"] == "600"
    assert told["x-ratelimit-remaining-tokens"] == "50"
    assert told["x-ratelimit-reset-tokens"] == "55s"
    with pytest.raises(RefusalError) as refused:
        limits.admit(100)
    assert refused.value.status == 429
    assert ("retry-after", "5") in refused.value.headers
    clock.now += 5
    assert limits.admit(100) == 100
    limits.settle(100, 0)


def test_a_call_larger_than_the_limit_waits_for_a_full_bucket_and_then_goes() -> None:
    limits = EndpointLimits(Endpoint(name="chat", upstreams=(), tpm=600), clock=Seconds())
    assert limits.admit(5_000) == 600
    limits.settle(600, 5_000)
    with pytest.raises(RefusalError, match="try again in 7m21s"):
        limits.admit(10)


def test_without_limits_nothing_is_told() -> None:
    limits = EndpointLimits(Endpoint(name="chat", upstreams=()))
    assert limits.admit(10**9) == 0
    assert limits.headers() == ()
