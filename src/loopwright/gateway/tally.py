"""How one model behind an endpoint has done: calls, failures, and how long they took.

Counted on the hot path: two additions and a bucket. The buckets are narrow, so that two models can
be compared by them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate
from typing import Any, Self

_LEAST, _MOST, _STEP = 0.001, 1000.0, 1.2


def _bounds() -> tuple[float, ...]:
    found = [_LEAST]
    while found[-1] < _MOST:
        found.append(found[-1] * _STEP)
    return tuple(found)


BOUNDS = _bounds()
"""Upper ends of the buckets in seconds, each 1.2 times the one before."""


class Tally:
    """Counts that only grow. `calls` that were given up by their client are not in it."""

    __slots__ = ("counts", "errors")

    def __init__(self, errors: int = 0, counts: Sequence[int] = ()) -> None:
        self.errors = errors
        self.counts = list(counts) or [0] * (len(BOUNDS) + 1)

    @property
    def calls(self) -> int:
        return sum(self.counts)

    @property
    def error_rate(self) -> float:
        """Between 0 and 1; 0 without calls."""
        return self.errors / calls if (calls := self.calls) else 0.0

    def add(self, seconds: float, *, failed: bool) -> None:
        """One call is over; `seconds` from asking to the last byte."""
        self.errors += failed
        self.counts[bisect_left(BOUNDS, seconds)] += 1

    def quantile(self, share: float) -> float:
        """Seconds within which this share of the calls was over, to a bucket's width; 0 without
        calls."""
        wanted = share * self.calls
        for index, below in enumerate(accumulate(self.counts)):
            if below and below >= wanted:
                return BOUNDS[min(index, len(BOUNDS) - 1)]
        return 0.0

    def __add__(self, other: Tally) -> Tally:
        pairs = zip(self.counts, other.counts, strict=True)
        return Tally(self.errors + other.errors, [a + b for a, b in pairs])

    def __sub__(self, earlier: Tally) -> Tally:
        """What came since."""
        pairs = zip(self.counts, earlier.counts, strict=True)
        return Tally(self.errors - earlier.errors, [a - b for a, b in pairs])

    def to_json(self) -> dict[str, Any]:
        return {"errors": self.errors, "counts": self.counts}

    @classmethod
    def from_json(cls, said: dict[str, Any]) -> Self:
        """Raises ValueError when it was counted in other buckets."""
        if len(said["counts"]) != len(BOUNDS) + 1:
            raise ValueError("counts of other buckets")
        return cls(said["errors"], said["counts"])
