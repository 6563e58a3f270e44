"""What the child is told: the query, its parameters, which lakes to read, how much it may use.

Goes through a pipe, never through arguments, the environment or a file: it holds master keys.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import date, datetime
from typing import Any

import orjson
from pydantic import TypeAdapter

Value = str | int | float | bool | date | datetime
"""A value that can be bound to a parameter of a query."""

_GIB = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one query may use. The child is killed when it takes more."""

    seconds: float | None = 60.0
    """Wall time; None: as long as it takes."""
    memory_bytes: int = 2 * _GIB
    threads: int = 2

    @property
    def engine_bytes(self) -> int:
        """DuckDB's part; the rest is for rows on their way in and out."""
        return self.memory_bytes * 5 // 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """A view of the query: rows of one table of a lake, up to an ingest sequence."""

    view: str
    table: str
    root: str
    role: str
    master: str = field(repr=False)
    """Master key, in hexadecimal digits."""
    through: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One query to run."""

    query: str
    relations: tuple[Relation, ...]
    limits: Limits
    parameters: Mapping[str, Value] = field(default_factory=dict)
    most_rows: int | None = None
    """So many rows are wanted; one more tells that there are more."""
    only: tuple[str, ...] | None = None
    """The columns of the result that are wanted; None: all."""
    counted: bool = False
    """Only how many rows there are is wanted."""

    def to_line(self) -> bytes:
        """One line of JSON; a date and a moment say what they are."""
        typed = {name: _typed(value) for name, value in self.parameters.items()}
        return orjson.dumps({**_fields(self), "parameters": typed}) + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> Request:
        """Undo `to_line`."""
        told = orjson.loads(line)
        parameters = {name: _value(*typed) for name, typed in told.pop("parameters").items()}
        return _REQUEST.validate_python({**told, "parameters": {}}).with_parameters(parameters)

    def with_parameters(self, parameters: Mapping[str, Value]) -> Request:
        return replace(self, parameters=parameters)


_REQUEST = TypeAdapter(Request)


def _fields(request: Request) -> dict[str, Any]:
    return {one.name: getattr(request, one.name) for one in fields(request)}


def _typed(value: Value) -> tuple[str, str | int | float | bool]:
    if isinstance(value, datetime):
        return "timestamp", value.isoformat()
    if isinstance(value, date):
        return "date", value.isoformat()
    return "", value


def _value(kind: str, said: Any) -> Value:
    if kind == "timestamp":
        return datetime.fromisoformat(said)
    found: Value = date.fromisoformat(said) if kind == "date" else said
    return found


def quote(name: str) -> str:
    """A name as SQL takes it, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'


def quoted(names: Iterable[str]) -> str:
    """Names in a row, for people: quoted where they have to be."""
    return ", ".join(name if re.fullmatch("[a-z_]+", name) else quote(name) for name in names)
