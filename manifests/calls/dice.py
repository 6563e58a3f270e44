"""Seeded choice and phrase expansion.

Only `random.Random.random()` is drawn from, the one method whose sequence Python promises to keep,
so that the same seed gives the same text on every version.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Mapping, Sequence
from typing import TypeVar

T = TypeVar("T")
Slots = Mapping[str, str]

_CHOICE = re.compile(r"\(([^()]*\|[^()]*)\)")
_SLOT = re.compile(r"\{(\w+)\}")


class Dice:
    """A stream of choices; streams of different names do not disturb each other."""

    def __init__(self, seed: int, stream: str) -> None:
        digest = hashlib.sha256(f"{seed}/{stream}".encode()).digest()
        self._draw = random.Random(int.from_bytes(digest[:8], "big")).random

    def below(self, limit: int) -> int:
        return int(self._draw() * limit)

    def chance(self, share: float) -> bool:
        return self._draw() < share

    def pick(self, options: Sequence[T]) -> T:
        return options[self.below(len(options))]

    def weighted(self, weights: Mapping[str, int]) -> str:
        """One key, as often as its integer weight says."""
        point = self.below(sum(weights.values()))
        for key, weight in weights.items():
            point -= weight
            if point < 0:
                return key
        raise ValueError("weights must be positive")

    def hex(self, length: int) -> str:
        return "".join(self.pick("0123456789abcdef") for _ in range(length))

    def expand(self, text: str, slots: Slots, bound: dict[str, str] | None = None) -> str:
        """Fills a phrase: `(a|b)` picks one, `{slot}` a phrase of `slots`, `#` a digit.

        A slot keeps its first filler within one `bound`, so a text names one product throughout.
        """
        filled = {} if bound is None else bound

        def fill(match: re.Match[str]) -> str:
            name = match[1]
            if name not in filled:
                filled[name] = self.expand(slots[name], slots, filled)
            return filled[name]

        while match := _CHOICE.search(text):
            text = text[: match.start()] + self.pick(match[1].split("|")) + text[match.end() :]
        digits = re.sub("#", lambda _: self.pick("0123456789"), text)
        return _SLOT.sub(fill, digits)
