"""Who opened text: an append-only log of every opening of request and response text.

A line is on disk before the first text leaves the lake, and a second one says how many rows did;
a reader that dies between the two leaves an opening of unknown size, never an unrecorded one.
"""

from __future__ import annotations

import os
import pwd
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from loopwright.clock import Clock, from_text, to_text
from loopwright.disk import Disk
from loopwright.errors import LakeError

_ERASED = "[erased]"
_PRIVATE = 0o600


@dataclass(frozen=True, slots=True)
class TextOpening:
    """One opening of text; `rows` is None when the reader died before it could say."""

    ts: datetime
    who: str
    purpose: str
    query: dict[str, Any]
    rows: int | None


class RowCount:
    """How many rows an opening has handed out so far."""

    def __init__(self) -> None:
        self.rows = 0


class AuditLog:
    """The openings of one lake, in the file `path`."""

    def __init__(self, path: Path, *, clock: Clock, disk: Disk) -> None:
        self._path = path
        self._clock = clock
        self._disk = disk

    @contextmanager
    def opening(self, *, purpose: str, query: Mapping[str, Any]) -> Iterator[RowCount]:
        """Record an opening around the block, which counts the rows it hands out.

        Raises LakeError when it cannot be recorded: then no text may be read.
        """
        opening, count = self.begin(purpose=purpose, query=query), RowCount()
        try:
            yield count
        finally:
            self.end(opening, rows=count.rows)

    def begin(self, *, purpose: str, query: Mapping[str, Any]) -> str:
        """Record that text is about to be opened; for who cannot hold `opening` around it."""
        opening = secrets.token_hex(8)
        self._add(
            opening=opening,
            at=to_text(self._clock.now()),
            who=current_user(),
            purpose=purpose,
            query=query,
        )
        return opening

    def end(self, opening: str, *, rows: int) -> None:
        """Record how many rows an opening has handed out."""
        self._add(opening=opening, rows=rows)

    def openings(self) -> list[TextOpening]:
        """Every recorded opening, the oldest first. `findings` names the lines that are torn."""
        found: dict[str, dict[str, Any]] = {}
        for _, line in self._lines():
            if line is not None:
                found.setdefault(line["opening"], {}).update(line)
        return [
            TextOpening(
                from_text(one["at"]), one["who"], one["purpose"], one["query"], one.get("rows")
            )
            for one in found.values()
        ]

    def quoting(self, word: str) -> int:
        """How many openings have this word in their query."""
        return sum(line != without(line, word) for line in self._content().splitlines())

    def forget(self, word: str) -> None:
        """Take a word out of every query, durably; each opening stays on record."""
        with self._alone():
            lines = self._content().splitlines()
            kept = [without(line, word) for line in lines]
            if kept != lines:
                content = b"".join(line + b"\n" for line in kept)
                self._disk.write_atomic(self._path, content, mode=_PRIVATE)

    def findings(self) -> list[str]:
        """The lines that a crash tore or somebody changed."""
        return [
            f"line {number} of {self._path} is damaged"
            for number, line in self._lines()
            if line is None
        ]

    def _lines(self) -> Iterator[tuple[int, dict[str, Any] | None]]:
        for number, line in enumerate(self._content().splitlines(), start=1):
            try:
                yield number, orjson.loads(line)
            except orjson.JSONDecodeError:
                yield number, None

    def _add(self, **facts: Any) -> None:
        line = orjson.dumps(facts) + b"\n"
        with self._alone():
            self._disk.append(self._path, b"\n" + line if self._torn() else line)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Nobody else writes: a line that is added while others are changed would be lost."""
        with self._disk.lock(self._path.with_name("lock")):
            yield

    def _content(self) -> bytes:
        return self._path.read_bytes() if self._path.exists() else b""

    def _torn(self) -> bool:
        """Whether the last line never got its end, so that the next one must not join it."""
        try:
            if not self._path.exists() or not self._path.stat().st_size:
                return False
            with self._path.open("rb") as handle:
                handle.seek(-1, os.SEEK_END)
                return handle.read(1) != b"\n"
        except OSError as error:
            raise LakeError(f"cannot read {self._path}: {error.strerror}") from error


def without(line: bytes, word: str) -> bytes:
    """A line of JSON with a mark where a word stood in a text; what is no JSON stays as it is."""
    try:
        told = orjson.loads(line)
    except orjson.JSONDecodeError:
        return line
    marked = _marked(told, _whole(word))
    return line if marked == told else orjson.dumps(marked)


def _whole(word: str) -> re.Pattern[str]:
    """The word where it is not part of a longer one."""
    return re.compile(rf"(?<!\w){re.escape(word)}(?!\w)")


def _marked(value: Any, word: re.Pattern[str]) -> Any:
    if isinstance(value, str):
        return word.sub(_ERASED, value)
    if isinstance(value, dict):
        return {name: _marked(inner, word) for name, inner in value.items()}
    return [_marked(inner, word) for inner in value] if isinstance(value, list) else value


def current_user() -> str:
    """The operating system's name for who runs this process; the environment is not asked."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"
