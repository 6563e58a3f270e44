"""The arithmetic of exact sampling: a ring of 63-bit keys, arcs on it, and shares of groups.

Pure: integers and hashes only. The walk over a lake's files lives in `walking`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

RING = 1 << 63


def key_of(*parts: str) -> int:
    """Top 63 bits of the SHA-256 of the parts joined by NUL."""
    whole = hashlib.sha256("\0".join(parts).encode()).digest()
    return int.from_bytes(whole[:8], "big") >> 1


def share(fraction: float) -> int:
    """floor(fraction * 2^63): exact, because a float scaled by a power of two is."""
    return int(fraction * RING)


def ring_start(salt: str) -> int:
    """Where on the ring a dataset's salt begins its walk."""
    return key_of("loopwright-sample", salt)


def rank(salt: str, call_id: str) -> int:
    """A call's place in an independent draw: another salt gives an unrelated order."""
    return key_of("loopwright-rank", salt, call_id)


def in_validation(fraction: float, *, salt: str, by: str, group: str) -> bool:
    """Whether a group is held out: decided by its name alone, so equal on every machine."""
    return key_of("loopwright-split", salt, by, group) < share(fraction)


@dataclass(frozen=True)
class Arc:
    """`length` keys of the ring from `start` on, wrapping at 2^63."""

    start: int
    length: int

    def slice(self, offset: int, length: int) -> Iterator[range]:
        """The keys from `offset` on, at most `length`, as one or two ranges in ring order."""
        length = min(length, self.length - offset)
        low = (self.start + offset) % RING
        if length > 0:
            yield range(low, min(low + length, RING))
        if low + length > RING:
            yield range(0, low + length - RING)

    def slices(self, *, first: int, most: int) -> Iterator[range]:
        """The whole arc as contiguous ranges in ring order.

        The first is `first` keys long and each next one twice its forerunner, up to `most`.
        """
        offset, length = 0, max(1, first)
        while offset < self.length:
            yield from self.slice(offset, length)
            offset += length
            length = min(2 * length, max(1, most, first))


def keys_for(rows: int, population: int) -> int:
    """How many keys hold about `rows` rows of a population spread evenly over the ring.

    Four standard deviations are added, so that a second look is rarely needed.
    """
    wanted = rows + 4 * int(rows**0.5) + 4
    return RING if wanted >= population else RING * wanted // population


@dataclass(frozen=True)
class Span:
    """`rows` rows somewhere in [start, end], in microseconds: what a file says of its time."""

    start: int
    end: int
    rows: int

    @property
    def mirrored(self) -> Span:
        return Span(-self.end, -self.start, self.rows)


def mirrored(moments: range) -> range:
    """The same moments counted backwards from zero."""
    return range(1 - moments.stop, 1 - moments.start)


def time_slices(spans: Sequence[Span], *, within: range, first: int, most: int) -> Iterator[range]:
    """`within` (microseconds) cut into consecutive ranges, the earliest first.

    The first holds about `first` rows, if each span's rows lie evenly in it, and each next one
    twice as many as its forerunner, up to `most`.
    """
    low, rows = within.start, max(1, first)
    while low < within.stop:
        wanted = rows_before(spans, low) + rows
        high = max(low + 1, _moment_after(spans, wanted, range(low, within.stop)))
        yield range(low, high)
        low, rows = high, min(2 * rows, max(most, first))


def rows_before(spans: Sequence[Span], moment: int) -> int:
    """About how many rows lie before a moment."""
    return sum(
        span.rows * min(max(moment - span.start, 0), length) // length
        for span in spans
        for length in (span.end - span.start + 1,)
    )


def _moment_after(spans: Sequence[Span], rows: int, within: range) -> int:
    """The last moment in `within` that has at most `rows` rows before it, by halving."""
    low, high = within.start, within.stop
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if rows_before(spans, middle) <= rows else (low, middle - 1)
    return low
