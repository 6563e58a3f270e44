"""What is wrong with a manifest, where, and what would be right: the value and its two renderings.

Nothing here reads files. Text shown to a person has passed the masking of `secrets` before.
"""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

_SHOWN_NAMES = 16
_COLORS = {"error": "\033[1;31m", "warning": "\033[1;33m", "caret": "\033[1;36m"}
_RESET = "\033[0m"


class Severity(StrEnum):
    """An error stops the run; a warning is only shown."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A place in a manifest. Lines and columns count from 1, columns in characters."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One problem. `code` is stable kebab-case; `field` is a path such as `spec.sampling.ratio`."""

    severity: Severity
    code: str
    message: str
    span: Span | None = None
    source_line: str = ""
    field: str = ""
    found: str = ""
    allowed: tuple[str, ...] = ()
    nearest: str = ""
    hint: str = ""
    address: str = ""

    def to_json(self) -> dict[str, Any]:
        """The diagnostic as plain data with camelCase keys; `span` is null without a place."""
        span = self.span
        return {
            "severity": str(self.severity),
            "code": self.code,
            "message": self.message,
            "span": span and {"file": span.file, "line": span.line, "column": span.column},
            "sourceLine": self.source_line,
            "field": self.field,
            "found": self.found,
            "allowed": list(self.allowed),
            "nearest": self.nearest,
            "hint": self.hint,
            "address": self.address,
        }


def field_path(path: Iterable[str | int]) -> str:
    """Write a path as `spec.filter[0].name`; a key that holds a dot is put in brackets."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif "." in part:
            text += f'["{part}"]'
        else:
            text += f".{part}" if text else part
    return text


def nearest(name: str, candidates: Iterable[str]) -> str:
    """The candidate that `name` was probably meant to be, or "" when none is near."""
    folded = {_fold(candidate): candidate for candidate in sorted(candidates, reverse=True)}
    close = difflib.get_close_matches(_fold(name), folded, n=1, cutoff=0.6)
    return folded[close[0]] if close else ""


def _fold(name: str) -> str:
    return name.replace("_", "").replace("-", "").casefold()


def ordered(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """By place, then code, without repeats; what has no place comes first."""

    def key(diagnostic: Diagnostic) -> tuple[Any, ...]:
        span = diagnostic.span
        place = (span.file, span.line, span.column) if span else ("", 0, 0)
        return (*place, diagnostic.code, diagnostic.field, diagnostic.message)

    return sorted(dict.fromkeys(diagnostics), key=key)


def render(diagnostics: Sequence[Diagnostic], *, color: bool = False, width: int = 100) -> str:
    """All diagnostics as text for a terminal of `width` columns, ending with a line of counts."""
    if not diagnostics:
        return ""
    blocks = ["\n".join(_block(one, color, width)) for one in ordered(diagnostics)]
    return "\n\n".join([*blocks, _summary(diagnostics)]) + "\n"


def _block(diagnostic: Diagnostic, color: bool, width: int) -> Iterator[str]:
    place = f"{diagnostic.span}: " if diagnostic.span else ""
    label = f"{diagnostic.severity}[{diagnostic.code}]"
    message = f"{_paint(label, diagnostic.severity, color)}: {_printable(diagnostic.message)}"
    yield f"{_printable(place)}{message}"
    gutter = "     "
    if diagnostic.span and diagnostic.source_line:
        number = str(diagnostic.span.line)
        gutter = " " * max(len(number) + 2, len(gutter))
        column = diagnostic.span.column
        room = max(20, width - len(gutter) - 3)
        shown, offset = _window(_printable(diagnostic.source_line), column, room)
        yield f"{number:>{len(gutter) - 1}} | {shown}".rstrip()
        yield f"{gutter}| {' ' * offset}{_paint('^', 'caret', color)}"
    for name, text in _facts(diagnostic):
        yield from _fill(f"{gutter}= {name}: ", _printable(text), width)


def _facts(diagnostic: Diagnostic) -> Iterator[tuple[str, str]]:
    if diagnostic.field:
        owner = f" of {diagnostic.address}" if diagnostic.address else ""
        yield "field", diagnostic.field + owner
    elif diagnostic.address:
        yield "in", diagnostic.address
    if diagnostic.allowed:
        names, more = diagnostic.allowed[:_SHOWN_NAMES], len(diagnostic.allowed) - _SHOWN_NAMES
        yield "allowed", ", ".join(names) + (f" and {more} more" if more > 0 else "")
    if diagnostic.nearest:
        yield "did you mean", f"{diagnostic.nearest}?"
    if diagnostic.hint:
        yield "hint", diagnostic.hint


def _summary(diagnostics: Sequence[Diagnostic]) -> str:
    errors = sum(one.severity is Severity.ERROR for one in diagnostics)
    files = len({one.span.file for one in diagnostics if one.span})
    counts = [(errors, "error"), (len(diagnostics) - errors, "warning")]
    text = ", ".join(_count(number, noun) for number, noun in counts if number)
    return f"{text} in {_count(files, 'file')}" if files else text


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _paint(text: str, role: str, color: bool) -> str:
    return f"{_COLORS[role]}{text}{_RESET}" if color else text


def _printable(text: str) -> str:
    """No control or direction-changing characters: a manifest must not drive the terminal."""
    return "".join(char if char.isprintable() else "→" if char == "\t" else "�" for char in text)


def _cells(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def _width(text: str) -> int:
    return sum(map(_cells, text))


def _window(line: str, column: int, room: int) -> tuple[str, int]:
    """The part of a line around `column` that fits `room` cells, and the caret's cell in it."""
    caret = min(column - 1, len(line))
    if _width(line) <= room:
        return line, _width(line[:caret])
    start, left = caret, 0
    while start and left + _cells(line[start - 1]) <= room * 2 // 3:
        start -= 1
        left += _cells(line[start])
    end, used = caret, left
    while end < len(line) and used + _cells(line[end]) <= room - 2:
        used += _cells(line[end])
        end += 1
    before, after = "…" if start else "", "…" if end < len(line) else ""
    return f"{before}{line[start:end]}{after}", left + len(before)


def _fill(head: str, text: str, width: int) -> Iterator[str]:
    """`head` and the words of `text`, wrapped; later lines are indented to the head's width."""
    line, indent = head, " " * _width(head)
    for word in text.split(" "):
        if line.strip() and line not in (head, indent) and _width(line) + _width(word) > width:
            yield line.rstrip()
            line = indent
        line += word + " "
    yield line.rstrip()
