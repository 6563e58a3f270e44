"""What a method of scoring takes and gives."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from loopwright.evaluation.questions import Item
from loopwright.hashing import canonical_json

FULL = 100.0
_SHOWN = 80


@dataclass(frozen=True, slots=True)
class Given:
    """What somebody answered."""

    text: str = ""
    tool_calls: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, slots=True)
class Scored:
    """Points, 0-100, and why there are not all of them."""

    points: float
    reason: str = ""
    error: str = ""
    """Why it could not be scored; empty: it was."""


Scorer = Callable[[Given, Item], Scored]
NOT_JSON = object()


def right_or_wrong(is_right: bool, reason: str) -> Scored:
    """All points or none; the reason is told of a wrong answer only."""
    return Scored(FULL) if is_right else Scored(0.0, reason)


def best(of: Iterable[Scored]) -> Scored:
    """The best of what several accepted answers give."""
    return max(of, key=lambda one: one.points)


def accepted(expected: Any) -> tuple[Any, ...]:
    """What any one of will do: a list holds alternatives, whatever else stands for itself."""
    return tuple(expected) if isinstance(expected, list) and expected else (expected,)


def as_text(expected: Any) -> str:
    """What is expected as the text of an answer; a JSON value in canonical form."""
    return expected if isinstance(expected, str) else canonical_json(expected).decode()


def json_value(text: str) -> Any:
    """The value that a text is as a whole; NOT_JSON where it is none."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return NOT_JSON


def shown(text: str) -> str:
    """A text in a reason: short, in one line."""
    line = " ".join(text.split())
    return repr(line if len(line) <= _SHOWN else line[: _SHOWN - 1] + "…")
