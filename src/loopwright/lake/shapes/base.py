"""What every shape of a recorded call has in common: the exchange it gives, and how it refuses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

Json = Mapping[str, Any]
Beside = Callable[[str], bytes | None]
"""Gives the content of a file of this name that lies beside the one being read, if it does."""

_NONE: Mapping[str, Any] = MappingProxyType({})


class BadLineError(ValueError):
    """The line is no exchange; the reason is short and holds nothing of the text."""


class NotACallError(BadLineError):
    """The line is sound, but no chat call with both sides of it: the reason is one of a few."""


class Exchange(NamedTuple):
    """One recorded exchange: the two bodies, and what the line says beside them.

    `ts` is in microseconds since the epoch. `columns` are further columns of the call (see
    `lake.columns`) that the bodies do not tell.
    """

    request: dict[str, Any]
    response: dict[str, Any]
    ts: int | None
    endpoint: str | None
    subject: str | None
    session_id: str | None
    columns: Mapping[str, Any] = _NONE


@dataclass(frozen=True, slots=True)
class Shape:
    """One way to record a call in a line of JSON."""

    name: str
    marks: frozenset[str]
    """Keys by which a person would know it: what an error about the format compares with."""
    bears: Callable[[Json], bool]
    """Whether a line is of this shape, sound or not, by its keys alone."""
    parse: Callable[[Any], Exchange]
    """Raises BadLineError."""
    completed: Callable[[Any, Beside], Any] | None = None
    """The line with what it keeps in files beside it. Raises BadLineError."""
