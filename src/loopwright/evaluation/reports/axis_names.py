"""Names around a radar: broken into lines, and how much room they take.

A picture cannot ask a browser how wide a text is, so widths are reckoned, a little generously.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from loopwright.evaluation.reports.markup import Markup, element
from loopwright.evaluation.scoring.words import is_asian

SIGN, ASIAN_SIGN, LINE = 8.6, 15.2, 17.0
"""Width of a sign and height of a line at the radar's 15 px."""
_WIDEST, _MOST_LINES = 112.0, 2

Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""


@dataclass(frozen=True, slots=True)
class AxisName:
    """A name beside the end of its axis; `y` is the baseline of its first line."""

    name: str
    x: float
    y: float
    side: Literal["start", "middle", "end"]

    @property
    def lines(self) -> list[str]:
        """At most two, each no wider than the room; what is left out is an ellipsis."""
        return _broken(self.name)

    @property
    def box(self) -> Box:
        """The room that it takes."""
        wide = max(map(_width, self.lines))
        before = {"start": 0.0, "middle": wide / 2, "end": wide}[self.side]
        left = self.x - before
        return left, self.y - LINE, left + wide, self.y + LINE * (len(self.lines) - 1) + 6

    def drawn(self) -> Markup:
        """The text; the whole name is its tooltip."""
        lines = (
            element("tspan", line, x=self.x, dy=LINE if number else 0)
            for number, line in enumerate(self.lines)
        )
        title = element("title", self.name)
        return element("text", *lines, title, y=self.y, text_anchor=self.side, class_="axis")


def around(names: Sequence[AxisName], least: Box) -> Box:
    """A box that holds all names, and no less than `least`."""
    boxes = [least, *(name.box for name in names)]
    left, top, right, bottom = zip(*boxes, strict=True)
    return min(left), min(top), max(right), max(bottom)


def _width(text: str) -> float:
    return sum(ASIAN_SIGN if is_asian(sign) else SIGN for sign in text)


def _broken(name: str) -> list[str]:
    lines = list(_wrapped(name.split() or [name]))
    if len(lines) > _MOST_LINES:
        lines = [*lines[: _MOST_LINES - 1], " ".join(lines[_MOST_LINES - 1 :])]
    return [_cut(line) for line in lines]


def _wrapped(words: Sequence[str]) -> Iterator[str]:
    line = ""
    for word in words:
        longer = f"{line} {word}".lstrip()
        if line and _width(longer) > _WIDEST:
            yield line
            longer = word
        line = longer
    yield line


def _cut(line: str) -> str:
    if _width(line) <= _WIDEST:
        return line
    while _width(line) > _WIDEST - SIGN:
        line = line[:-1]
    return f"{line}…"
