"""How wide text stands on a terminal, and where it may be cut or broken.

East Asian wide characters take two columns, combining marks none. Nothing here knows of plans,
only what the name of a resource looks like.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

_ADDRESS = re.compile(r"[A-Z][A-Za-z]+/")
"""Where the name of a resource begins; it is not broken between wide characters."""
_NEVER_FIRST = frozenset(",.;:!?)]}%，。、；：！？）】》」』…”’")
_NEVER_LAST = frozenset("([{（【《「『“‘")


def char_width(char: str) -> int:
    """Columns of one character: 0, 1 or 2."""
    if char.isascii():
        return 1
    if unicodedata.combining(char) or unicodedata.category(char) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def display_width(text: str) -> int:
    """Columns that a text of one line takes."""
    return len(text) if text.isascii() else sum(map(char_width, text))


def printable(text: str) -> str:
    """The text on one line, with what could steer a terminal or reverse its order made visible."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else " " if char.isspace() else ascii(char)[1:-1]
        for char in text
    )


def pad(text: str, columns: int) -> str:
    """The text with spaces up to `columns`; never cut."""
    return text + " " * (columns - display_width(text))


def cut_middle(text: str, columns: int, ellipsis: str = "…") -> str:
    """At most `columns` wide: beginning and end stay, since ids differ in both."""
    if display_width(text) <= columns:
        return text
    room = max(columns - len(ellipsis), 0)
    head = _take(text, room - room // 2)
    tail = _take(text[::-1], room // 2)[::-1]
    return f"{head}{ellipsis}{tail}"[: max(columns, 0)]


def _take(text: str, columns: int) -> str:
    used = 0
    for index, char in enumerate(text):
        used += char_width(char)
        if used > columns:
            return text[:index]
    return text


def wrap(text: str, columns: int, first: int | None = None) -> list[str]:
    """Lines of at most `columns`, the first of at most `first`.

    Broken at spaces and between wide characters; a longer word is broken where it must be.
    """
    lines = [""]
    used, room = 0, columns if first is None else first
    for chunk, spaced in _chunks(text):
        piece = chunk
        gap = " " if spaced and used else ""
        while used + len(gap) + display_width(piece) > room:
            if used or room < display_width(piece) <= columns:
                lines.append("")
            else:
                head = _take(piece, room) or piece[0]
                lines[-1], piece = head, piece[len(head) :]
                lines.append("")
            used, room, gap = 0, columns, ""
        lines[-1] += gap + piece
        used += len(gap) + display_width(piece)
    return lines


def _chunks(text: str) -> Iterator[tuple[str, bool]]:
    """Unbreakable pieces, each with whether a space stands before it."""
    for word in text.split():
        if word.isascii() or _ADDRESS.search(word):
            yield word, True
            continue
        for index, chunk in enumerate(_clusters(word)):
            yield chunk, index == 0


def _clusters(word: str) -> list[str]:
    """A word between whose wide characters a line may end, minding punctuation."""
    found: list[str] = []
    for char in word:
        if found and not _may_break(found[-1][-1], char):
            found[-1] += char
        else:
            found.append(char)
    return found


def _may_break(left: str, right: str) -> bool:
    if right in _NEVER_FIRST or left in _NEVER_LAST or char_width(right) == 0:
        return False
    return char_width(left) == 2 or char_width(right) == 2
