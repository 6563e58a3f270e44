"""Which queries were run: who, when, over what, how long; never what they found.

A line of JSON each, in one file; the number of a query is that of its line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import orjson
from pydantic import TypeAdapter, ValidationError

from loopwright.disk import Disk
from loopwright.errors import SqlError
from loopwright.lake.audit import without


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """One query that was run. `parameters` are as they were typed."""

    at: str
    who: str
    lake: str
    query: str
    template: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    ok: bool = True
    rows: int = 0
    seconds: float = 0.0


_RAN = TypeAdapter(Ran)
_PRIVATE = 0o600


@dataclass(frozen=True, slots=True)
class History:
    """The queries of one environment."""

    path: Path

    def add(self, ran: Ran) -> None:
        """Durable when this returns. Readable by its owner alone: a query may quote text."""
        disk = Disk()
        disk.make_folders(self.path.parent)
        disk.append(self.path, orjson.dumps(asdict(ran)) + b"\n")

    def all(self) -> dict[int, Ran]:
        """By number, the oldest first; a line that a crash tore is left out."""
        found = {}
        for number, line in enumerate(self._lines(), start=1):
            try:
                found[number] = _RAN.validate_json(line)
            except ValidationError:
                continue
        return found

    def quoting(self, word: str) -> int:
        """How many queries have this word in them."""
        return sum(line != without(line, word) for line in self._lines())

    def forget(self, word: str) -> None:
        """Take a word out of every query, durably."""
        lines = self._lines()
        kept = [without(line, word) for line in lines]
        if kept != lines:
            content = b"".join(line + b"\n" for line in kept)
            Disk().write_atomic(self.path, content, mode=_PRIVATE)

    def _lines(self) -> list[bytes]:
        return self.path.read_bytes().splitlines() if self.path.exists() else []

    def get(self, number: int) -> Ran:
        """Raises SqlError when there is no such query."""
        if found := self.all().get(number):
            return found
        raise SqlError(
            f"no query has the number {number}", hint="`loopwright sql --history` lists them"
        )
