"""What a detector gives: the places it found, and what stands there. Values only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple


class Finding(NamedTuple):
    """`name` of the detector, and the value between `start` and `end`.

    The value is in one plain form, so that it is known as one when it is written in two ways.
    """

    start: int
    end: int
    name: str
    value: str


Detect = Callable[[str], Iterator[Finding]]


def without_overlaps(found: list[Finding]) -> list[Finding]:
    """The same places in order: what overlaps becomes one, named as the longest of it."""
    apart: list[Finding] = []
    longest = 0
    for finding in sorted(found, key=lambda one: (one.start, -one.end)):
        size = finding.end - finding.start
        if not apart or finding.start >= apart[-1].end:
            apart.append(finding)
            longest = size
            continue
        known = apart[-1]
        named = finding if size > longest else known
        longest = max(longest, size)
        end = max(known.end, finding.end)
        apart[-1] = Finding(known.start, end, named.name, named.value)
    return apart
