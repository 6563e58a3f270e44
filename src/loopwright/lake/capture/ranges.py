"""Sets of sequence numbers, kept as runs, and written down in a few bytes.

Values only.
"""

from __future__ import annotations

import base64
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

_FEW_RUNS = 16
_ONES = re.compile("1+")


@dataclass(frozen=True, slots=True)
class Ranges:
    """A set of whole numbers as ascending, disjoint runs that do not touch; ends inclusive."""

    runs: tuple[tuple[int, int], ...] = ()

    @classmethod
    def of(cls, numbers: Iterable[int]) -> Ranges:
        made: list[tuple[int, int]] = []
        first = last = None
        for number in sorted(numbers):
            if first is None or last is None:
                first = last = number
            elif number > last + 1:
                made.append((first, last))
                first = last = number
            else:
                last = number
        if first is not None and last is not None:
            made.append((first, last))
        return cls(tuple(made))

    @classmethod
    def joined(cls, runs: Iterable[Iterable[int]]) -> Ranges:
        """Runs in any order, overlapping or not, as `(first, last)`."""
        made: list[tuple[int, int]] = []
        for first, last in sorted((first, last) for first, last in runs):
            if made and first <= made[-1][1] + 1:
                made[-1] = (made[-1][0], max(last, made[-1][1]))
            else:
                made.append((first, last))
        return cls(tuple(made))

    def __bool__(self) -> bool:
        return bool(self.runs)

    def __len__(self) -> int:
        return sum(last - first + 1 for first, last in self.runs)

    def __iter__(self) -> Iterator[int]:
        for first, last in self.runs:
            yield from range(first, last + 1)

    def __contains__(self, number: int) -> bool:
        place = bisect_right(self.runs, number, key=lambda run: run[0])
        return place > 0 and self.runs[place - 1][1] >= number

    def __str__(self) -> str:
        """`1-5, 7`."""
        return ", ".join(
            str(first) if first == last else f"{first}-{last}" for first, last in self.runs
        )

    def __or__(self, other: Ranges) -> Ranges:
        return Ranges.joined((*self.runs, *other.runs)) if self and other else self or other

    def __sub__(self, other: Ranges) -> Ranges:
        left: list[tuple[int, int]] = []
        taken = iter(other.runs)
        gone = next(taken, None)
        for first, last in self.runs:
            start = first
            while gone and gone[1] < start:
                gone = next(taken, None)
            while gone and gone[0] <= last:
                if gone[0] > start:
                    left.append((start, gone[0] - 1))
                start = gone[1] + 1
                if gone[1] > last:
                    break
                gone = next(taken, None)
            if start <= last:
                left.append((start, last))
        return Ranges(tuple(left))

    def to_json(self) -> Any:
        """`[[first, last], ...]`, or one bit a number where that is shorter."""
        if len(self.runs) <= _FEW_RUNS:
            return self.runs
        start, bits = self.runs[0][0], 0
        for first, last in self.runs:
            bits |= ((1 << (last - first + 1)) - 1) << (first - start)
        packed = bits.to_bytes((bits.bit_length() + 7) // 8, "little")
        if len(packed) > len(self.runs) * _FEW_RUNS:  # few numbers, far apart
            return self.runs
        return {"from": start, "bits": base64.b64encode(packed).decode()}

    @classmethod
    def from_json(cls, told: Any) -> Ranges:
        return cls.joined(runs_of(told))

    @property
    def last(self) -> int:
        """The greatest number; 0 when there is none."""
        return self.runs[-1][1] if self.runs else 0


def runs_of(told: Any) -> Iterator[tuple[int, int]]:
    """The runs of what `to_json` gave."""
    if not isinstance(told, dict):
        yield from ((first, last) for first, last in told)
        return
    start = int(told["from"])
    bits = int.from_bytes(base64.b64decode(told["bits"]), "little")
    for found in _ONES.finditer(f"{bits:b}"[::-1]):
        yield start + found.start(), start + found.end() - 1


NONE = Ranges()
