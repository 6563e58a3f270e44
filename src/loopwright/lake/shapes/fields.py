"""Single fields of a recorded call: read from what a log holds, or told to be absent or wrong.

Refusals never quote what was found.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson

from loopwright.clock import from_text
from loopwright.lake.partitions import endpoint_fits
from loopwright.lake.shapes.base import BadLineError, Json

_LAST_SECOND = 7_258_118_400  # the year 2200: later numbers are milliseconds or mistakes
_LARGEST = (1 << 31) - 1
_LONGEST_WORD = 256


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


def word(value: Any) -> str | None:
    """An id or a name that a column may show: longer text is none."""
    found = text(value)
    return found if found and len(found) <= _LONGEST_WORD else None


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


def milliseconds(value: Any) -> int | None:
    """A span of time as a column can hold it."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return round(value) if 0 <= value <= _LARGEST else None


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


def status_code(value: Any) -> int | None:
    """An HTTP status, also one written as text."""
    digits = value if isinstance(value, int) else text(value)
    if isinstance(digits, str):
        digits = int(digits) if digits.isascii() and digits.isdecimal() and len(digits) == 3 else 0
    return digits if digits is not None and 100 <= digits < 600 else None
