"""Text made safe inside Markdown: words, code spans and fences that their content cannot leave."""

from __future__ import annotations

import re
from collections.abc import Iterable

from loopwright.planning.render.width import printable

_SPECIAL = re.compile(r"[\\`*_\[\]|~#]")
_HTML = str.maketrans({"&": "&amp;", "<": "&lt;"})
_TICKS = re.compile(r"`+")


def text(words: str) -> str:
    """Words that are shown as they are, in a table too: no markup, no HTML, on one line."""
    return _SPECIAL.sub(lambda found: "\\" + found[0], printable(words)).translate(_HTML)


def code(words: str) -> str:
    """A code span that may stand in a table."""
    words = printable(words).replace("|", "\\|")
    ticks = "`" * (1 + _longest_ticks([words]))
    space = " " if len(ticks) > 1 else ""
    return f"{ticks}{space}{words}{space}{ticks}"


def fence_for(lines: Iterable[str]) -> str:
    """Backticks that no line can close."""
    return "`" * max(3, _longest_ticks(lines) + 1)


def _longest_ticks(lines: Iterable[str]) -> int:
    return max((len(found) for line in lines for found in _TICKS.findall(line)), default=0)
