"""Styled text and its flow onto lines of a given width; what is said is decided elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import Enum
from typing import NamedTuple

from loopwright.planning.render.width import display_width, printable, wrap


class Style(Enum):
    """The value is the ANSI sequence; nothing is said by colour alone."""

    PLAIN = ""
    BOLD = "1"
    DIM = "2"
    RED = "31"
    GREEN = "32"
    YELLOW = "33"
    MAGENTA = "35"
    CYAN = "36"


class Span(NamedTuple):
    """A piece of one line in one style."""

    text: str
    style: Style = Style.PLAIN


Line = tuple[Span, ...]

_LEAST_ROOM = 16
"""Columns below which a long piece does not begin on a line that is already in use."""


def line(text: str = "", style: Style = Style.PLAIN) -> Line:
    """A line of one style, as it is."""
    return (Span(text, style),)


def paint(lines: Iterable[Line], *, color: bool) -> str:
    """The lines as text, with ANSI sequences if `color`."""
    return "\n".join("".join(_painted(span, color) for span in spans).rstrip() for spans in lines)


def _painted(span: Span, color: bool) -> str:
    body = span.text.rstrip()
    if not color or span.style is Style.PLAIN or not body:
        return span.text
    return f"\x1b[{span.style.value}m{body}\x1b[0m{span.text[len(body) :]}"


def flow(
    pieces: Sequence[Span],
    *,
    width: int,
    start: Line = (),
    indent: int = 0,
    separator: str = " ",
) -> list[Line]:
    """Set pieces after `start`, and what does not fit on lines indented by `indent` columns.

    A piece is kept whole where a line can hold it.
    """
    page = _Setting(width, indent, start)
    for number, piece in enumerate(pieces):
        page.put(piece, separator if number else "")
    return [*page.done, tuple(page.current)]


class _Setting:
    """Lines that are being filled."""

    def __init__(self, width: int, indent: int, start: Line) -> None:
        self.width, self.indent = width, indent
        self.done: list[Line] = []
        self.current = [Span(printable(span.text), span.style) for span in start]
        self.used = sum(display_width(span.text) for span in self.current)

    def put(self, piece: Span, separator: str) -> None:
        text = printable(piece.text)
        if self._belongs_below(display_width(separator) + display_width(text), text):
            self._break()
        elif separator:
            self._add(separator, Style.DIM)
        room = self.width - self.indent
        for number, part in enumerate(wrap(text, room, self.width - self.used)):
            if number:
                self._break()
            self._add(part, piece.style)

    def _belongs_below(self, size: int, text: str) -> bool:
        """Whether a line of its own serves a piece better than the rest of this one."""
        left = self.width - self.used
        if size <= left or self.used <= self.indent:
            return False
        return display_width(text) <= self.width - self.indent or left < _LEAST_ROOM

    def _break(self) -> None:
        self.done.append(tuple(self.current))
        self.current, self.used = [Span(" " * self.indent)], self.indent

    def _add(self, text: str, style: Style) -> None:
        self.current.append(Span(text, style))
        self.used += display_width(text)
