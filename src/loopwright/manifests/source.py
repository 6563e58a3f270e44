"""The text of one file with its positions: offsets to lines and columns, lines fit to be shown.

Knows neither YAML nor documents.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from loopwright.manifests.diagnostics import Diagnostic, Severity, Span
from loopwright.manifests.secrets import masked

_MAX_SHOWN = 2_000
_MAX_WORDS = 400
_BREAK = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True)
class Source:
    """One manifest file. `name` is the path as the user gave it; `text` is without a BOM."""

    name: str
    text: str
    base_dir: Path

    @cached_property
    def _starts(self) -> list[int]:
        return [0, *(match.end() for match in _BREAK.finditer(self.text))]

    @cached_property
    def _shown(self) -> str:
        return masked(self.text)

    def span(self, offset: int) -> Span:
        """The place of a character, counted from 0 in the text."""
        row = bisect_right(self._starts, offset) - 1
        return Span(self.name, row + 1, offset - self._starts[row] + 1)

    def line_start(self, number: int) -> int:
        """The offset of the first character of line `number`, from 1."""
        return self._starts[number - 1]

    def line(self, number: int) -> str:
        """Line `number` (from 1) with secrets masked; "" past the end or when it is too long."""
        if not 1 <= number <= len(self._starts):
            return ""
        ends = [*self._starts[number : number + 1], len(self.text)]
        start = self._starts[number - 1]
        return "" if ends[0] - start > _MAX_SHOWN else self._shown[start : ends[0]].rstrip("\r\n")

    def problem(
        self,
        code: str,
        message: str,
        offset: int,
        *,
        field: str = "",
        found: str = "",
        allowed: tuple[str, ...] = (),
        nearest: str = "",
        hint: str = "",
    ) -> Diagnostic:
        """An error at a character of this text."""
        span = self.span(offset)
        return Diagnostic(
            severity=Severity.ERROR,
            code=code,
            message=_short(masked(message)),
            span=span,
            source_line=self.line(span.line),
            field=field,
            found=_short(masked(found)),
            allowed=allowed,
            nearest=nearest,
            hint=hint,
        )


def _short(text: str) -> str:
    return text if len(text) <= _MAX_WORDS else text[: _MAX_WORDS - 1] + "…"
