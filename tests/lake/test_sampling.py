"""The arithmetic of the ring and of time: exact, wrapping, nested, without gaps."""

from __future__ import annotations

import hashlib
from itertools import pairwise

from hypothesis import assume, given
from hypothesis import strategies as st

from loopwright.lake.datasets.sampling import (
    RING,
    Arc,
    Span,
    in_validation,
    keys_for,
    mirrored,
    rank,
    ring_start,
    rows_before,
    share,
    time_slices,
)

keys = st.integers(0, RING - 1)
ratios = st.floats(0, 1, exclude_min=True)


def offset(start: int, key: int) -> int:
    return (key - start) % RING


def test_a_salt_starts_at_the_top_63_bits_of_its_digest() -> None:
    whole = hashlib.sha256(b"loopwright-sample\0spring").digest()
    assert ring_start("spring") == int.from_bytes(whole[:8], "big") >> 1


def test_whole_and_half_rings_are_exact() -> None:
    assert (share(1.0), share(0.5), share(0.25)) == (RING, RING // 2, RING // 4)


@given(ratios, ratios)
def test_a_smaller_share_lies_inside_a_larger_one(a: float, b: float) -> None:
    low, high = sorted((a, b))
    assert share(low) <= share(high) <= RING


@given(keys, st.integers(1, RING), st.integers(1, RING), st.integers(1, RING))
def test_slices_cover_their_arc_once_in_ring_order(
    start: int, length: int, first: int, most: int
) -> None:
    assume(length // first < 50 and length // most < 50)
    slices = list(Arc(start, length).slices(first=first, most=most))
    assert sum(len(one) for one in map(_Sized, slices)) == length
    assert slices[0].start == start
    for one, following in pairwise(slices):
        assert following.start == one.stop % RING
    assert all(0 <= one.start < one.stop <= RING for one in slices)


class _Sized:
    """`len` of a range is limited to a machine word."""

    def __init__(self, keys: range) -> None:
        self._keys = keys

    def __len__(self) -> int:
        return int(self._keys.stop - self._keys.start)


@given(keys, st.integers(1, RING), keys)
def test_a_key_is_in_a_slice_exactly_when_it_is_within_the_arc(
    start: int, length: int, key: int
) -> None:
    slices = Arc(start, length).slices(first=max(1, length // 7), most=max(1, length // 3))
    assert any(key in one for one in slices) == (offset(start, key) < length)


def test_an_arc_past_the_end_of_the_ring_wraps_to_zero() -> None:
    assert list(Arc(RING - 3, 5).slices(first=10, most=10)) == [range(RING - 3, RING), range(2)]


@given(st.integers(0, 10**6), st.integers(1, 10**7))
def test_enough_keys_are_looked_at_and_never_more_than_there_are(
    rows: int, population: int
) -> None:
    found = keys_for(rows, population)
    assert found <= RING
    assert found == RING or found * population >= rows * RING


spans = st.builds(
    lambda start, length, rows: Span(start, start + length, rows),
    st.integers(-1000, 1000),
    st.integers(0, 500),
    st.integers(1, 100),
)


@given(st.lists(spans, min_size=1, max_size=5), st.integers(1, 50), st.integers(1, 50))
def test_time_slices_cover_time_once_and_in_order(held: list[Span], first: int, most: int) -> None:
    within = range(min(span.start for span in held), max(span.end for span in held) + 1)
    slices = list(time_slices(held, within=within, first=first, most=most))
    assert (slices[0].start, slices[-1].stop) == (within.start, within.stop)
    assert all(one.stop == following.start for one, following in pairwise(slices))
    assert rows_before(held, within.stop) == sum(span.rows for span in held)


@given(st.integers(-99, 99), st.integers(-99, 99), st.integers(-150, 150))
def test_mirrored_time_holds_the_mirrored_moments(a: int, b: int, moment: int) -> None:
    moments = range(min(a, b), max(a, b))
    assert (moment in moments) == (-moment in mirrored(moments))


def test_two_salts_rank_calls_apart() -> None:
    ids = [f"call-{number}" for number in range(200)]
    first, second = (sorted(ids, key=lambda one: rank(salt, one))[:100] for salt in ("a", "b"))
    assert 30 < len(set(first) & set(second)) < 70


def test_a_group_is_held_out_by_its_name_salt_and_kind_alone() -> None:
    def held_out(salt: str, by: str, fraction: float = 0.3) -> set[str]:
        names = (f"s{number}" for number in range(1000))
        return {name for name in names if in_validation(fraction, salt=salt, by=by, group=name)}

    assert held_out("a", "session") == held_out("a", "session")
    assert held_out("a", "session") != held_out("b", "session") != held_out("a", "subject")
    assert held_out("a", "session") < held_out("a", "session", 0.6)
    assert 250 < len(held_out("a", "session")) < 350
