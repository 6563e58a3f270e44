"""What every shape of a recorded call has in common: the exchange it gives, and how it refuses.

Also the readers of single fields. They refuse with reasons that never quote what they found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

import orjson

from loopwright.clock import from_text
from loopwright.lake.partitions import endpoint_fits

Json = Mapping[str, Any]
Beside = Callable[[str], bytes | None]
"""Gives the content of a file of this name that lies beside the one being read, if it does."""

_LAST_SECOND = 7_258_118_400  # the year 2200: later numbers are milliseconds or mistakes
_LARGEST = (1 << 31) - 1
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
    title: str
    marks: frozenset[str]
    """Keys by which a person would know it: what an error about the format compares with."""
    bears: Callable[[Json], bool]
    """Whether a line is of this shape, sound or not, by its keys alone."""
    parse: Callable[[Any], Exchange]
    """Raises BadLineError."""
    completed: Callable[[Any, Beside], Any] | None = None
    """The line with what it keeps in files beside it. Raises BadLineError."""


def instant(value: Any) -> int | None:
    """Microseconds since the epoch: of seconds, of milliseconds, or of RFC 3339 text."""
    if value is None:
        return None
    if isinstance(value, str):
        return _from_text(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise BadLineError("the time is neither a number nor RFC 3339")
    return _in_range(value if value < _LAST_SECOND else value / 1000)


def _from_text(value: str) -> int:
    try:
        return _in_range(from_text(value).timestamp())
    except (ValueError, OverflowError) as error:
        if isinstance(error, BadLineError):
            raise
        raise BadLineError("the time is neither a number nor RFC 3339") from error


def _in_range(seconds: float) -> int:
    """Microseconds, whole. Also refuses what is not a number."""
    if not 0 <= seconds < _LAST_SECOND:
        raise BadLineError("the time lies outside the years 1970 to 2200")
    return round(seconds * 1_000_000)


def optional_text(where: Json, name: str) -> str | None:
    value = where.get(name)
    if value is not None and not isinstance(value, str):
        raise BadLineError(f"{name} is not text")
    return value


def optional_endpoint(where: Json, name: str) -> str | None:
    """Raises BadLineError when it cannot be the name of a partition."""
    endpoint = optional_text(where, name)
    if endpoint is not None and not endpoint_fits(endpoint):
        raise BadLineError("endpoint is empty or too long")
    return endpoint


def text(value: Any) -> str | None:
    """The value when it is text and not empty."""
    return value if isinstance(value, str) and value else None


def first(where: Json, names: Iterable[str]) -> Any:
    """The value of the first of these names that has one; exports spell them in several ways."""
    return next((where[name] for name in names if where.get(name) is not None), None)


def table(value: Any) -> dict[str, Any]:
    """The value when it is an object, also one written as JSON text; else an empty one."""
    found = decoded(value)
    return found if isinstance(found, dict) else {}


def decoded(value: Any) -> Any:
    """What JSON text says, when the value is text that holds an object or a list."""
    if not isinstance(value, str) or not value.lstrip().startswith(("{", "[")):
        return value
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        return value


def count(value: Any) -> int | None:
    """A whole number that a column can hold."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    return value if whole and 0 <= value <= _LARGEST else None


def milliseconds(value: Any, *, per_unit: float = 1) -> int | None:
    """A span of time as a column can hold it; `per_unit` is 1000 for seconds."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    span = value * per_unit
    return round(span) if 0 <= span <= _LARGEST else None


def between(start: int | None, end: int | None) -> int | None:
    """Milliseconds from one instant to another, both in microseconds."""
    if start is None or end is None:
        return None
    return milliseconds((end - start) / 1000)


def micro_dollars(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return round(value * 1_000_000) if 0 <= value < 1_000_000 else None


def known(**columns: Any) -> dict[str, Any]:
    """The columns that have a value."""
    return {name: value for name, value in columns.items() if value is not None}


def rows(value: Any, where: str) -> list[dict[str, Any]]:
    """The objects of a list; nothing at all is an empty one. Raises BadLineError."""
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
        raise BadLineError(f"{where} is not a list of objects")
    return value


def usage_apart(
    *, fresh: int | None, completion: int | None, cached: int | None, written: int | None
) -> dict[str, Any] | None:
    """Token counts of a service that counts cached input apart; a completion counts it in."""
    prompt = None if fresh is None else fresh + (cached or 0) + (written or 0)
    return usage_of(prompt=prompt, completion=completion, cached=cached or 0)


def usage_of(
    *, prompt: int | None, completion: int | None, cached: int = 0, reasoning: int = 0
) -> dict[str, Any] | None:
    """Token counts as a completion tells them; `prompt` includes `cached`."""
    if prompt is None or completion is None:
        return None
    usage: dict[str, Any] = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }
    if cached:
        usage["prompt_tokens_details"] = {"cached_tokens": cached}
    if reasoning:
        usage["completion_tokens_details"] = {"reasoning_tokens": reasoning}
    return usage
