"""How commands write: results on stdout, the rest on stderr, secret values masked everywhere."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import click

from loopwright.errors import LoopwrightError, ManifestError

MASK = "****"
_secrets: set[str] = set()


def remember_secret(value: str) -> None:
    """Mask a value, and its base64 and URL-encoded forms, in all later output."""
    from loopwright.manifests.secrets import forms

    _secrets.update(forms(value))


def masked(text: str) -> str:
    """The text with every remembered secret value replaced."""
    for value in sorted(_secrets, key=len, reverse=True):
        text = text.replace(value, MASK)
    return text


def say(text: str) -> None:
    """A result, on stdout."""
    click.echo(masked(text))


def note(text: str) -> None:
    """Something beside the result, on stderr."""
    click.echo(masked(text), err=True)


def say_json(value: Any) -> None:
    """A JSON result on stdout: indented, keys in their own order."""
    import orjson

    say(orjson.dumps(value, option=orjson.OPT_INDENT_2, default=str).decode())


def show_error(error: LoopwrightError) -> None:
    """The message, every diagnostic, and what to do next, on stderr."""
    if isinstance(error, ManifestError):
        from loopwright.manifests.diagnostics import render

        note(render(error.diagnostics, color=uses_color(sys.stderr)).rstrip())
        return
    note(f"error: {error.message}")
    if error.hint:
        note(f"  hint: {error.hint}")


def uses_color(stream: Any = None) -> bool:
    """Colour on a terminal only, and not where NO_COLOR or TERM=dumb says no."""
    stream = stream or sys.stdout
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return bool(os.environ.get("FORCE_COLOR")) or stream.isatty()


def width() -> int:
    """Columns to write for: the terminal's (or COLUMNS), within what is readable."""
    return max(40, min(shutil.get_terminal_size((100, 24)).columns, 120))


def table(rows: Iterable[Sequence[str]], *, header: Sequence[str]) -> str:
    """Left-aligned columns, wide characters counted as two."""
    from loopwright.planning.render.width import display_width

    lines = [list(header), *[list(row) for row in rows]]
    widths = [max(display_width(line[i]) for line in lines) for i in range(len(header))]

    def padded(cell: str, index: int) -> str:
        return cell + " " * (widths[index] - display_width(cell))

    return "\n".join(
        "  ".join(padded(cell, index) for index, cell in enumerate(line)).rstrip() for line in lines
    )
