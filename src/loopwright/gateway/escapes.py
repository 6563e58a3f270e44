"""JSON's escapes in text that is JSON, or holds some, or only looks like it. Pure."""

from __future__ import annotations

import re

_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|([\"\\/bfnrt]))")
_ESCAPED = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


def escapes_in(text: str) -> bool:
    return "\\" in text and _ESCAPE.search(text) is not None


def unescaped(text: str) -> tuple[str, list[int]]:
    """The text with JSON's escapes undone, and where each of its characters begins in `text`."""
    pieces: list[str] = []
    at: list[int] = []
    end = 0
    for escape in _ESCAPE.finditer(text):
        pieces += [text[end : escape.start()], _escaped(escape)]
        at.extend(range(end, escape.start() + 1))
        end = escape.end()
    at.extend(range(end, len(text) + 1))
    return "".join([*pieces, text[end:]]), at


def _escaped(escape: re.Match[str]) -> str:
    return chr(int(escape[1], 16)) if escape[1] else _ESCAPED.get(escape[2], escape[2])
