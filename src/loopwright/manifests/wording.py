"""The words for what pydantic finds wrong: what must stand there, what stands there, what to write.

No pydantic term, class name or address of a web page gets through to the user.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Collection, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, Literal, get_origin

import orjson
import yaml
from pydantic.fields import FieldInfo

from loopwright.manifests.schema import fields_of, is_model, values_of

_SHOWN = 60
_NAMES: dict[Any, str] = {
    str: "text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    Decimal: "a number",
    datetime: "a time such as 2026-01-31T08:00:00Z",
    date: "a date such as 2026-01-31",
    timedelta: "a duration",
    types.NoneType: "nothing",
}
_BOUNDS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "greater_than": lambda ctx: f"must be greater than {_number(ctx['gt'])}",
    "greater_than_equal": lambda ctx: f"must be at least {_number(ctx['ge'])}",
    "less_than": lambda ctx: f"must be less than {_number(ctx['lt'])}",
    "less_than_equal": lambda ctx: f"must be at most {_number(ctx['le'])}",
    "multiple_of": lambda ctx: f"must be a multiple of {ctx['multiple_of']}",
    "finite_number": lambda _: "must be a finite number",
    "string_too_short": lambda ctx: f"must have at least {_count(ctx['min_length'], 'character')}",
    "string_too_long": lambda ctx: f"must have at most {_count(ctx['max_length'], 'character')}",
    "string_pattern_mismatch": lambda ctx: f"must match the pattern {ctx['pattern']}",
    "too_short": lambda ctx: f"must have at least {_count(ctx['min_length'], 'entry', 'entries')}",
    "too_long": lambda ctx: f"must have at most {_count(ctx['max_length'], 'entry', 'entries')}",
}


def bound_message(kind: str, context: Mapping[str, Any], field: FieldInfo | None) -> str:
    """What a broken constraint asks for ("must be at most 1"), or "" for other kinds of error."""
    if kind == "string_pattern_mismatch" and field and field.examples:
        return f"must look like `{field.examples[0]}`"
    words = _BOUNDS.get(kind)
    return words(context) if words else ""


def library_message(message: str) -> str:
    """The text of a rarer pydantic error without its jargon."""
    for jargon in ("Value error, ", "Assertion failed, "):
        message = message.removeprefix(jargon)
    return message.replace("Input should be", "must be").replace("a valid ", "a ")


def expected(choices: Collection[Any]) -> str:
    """What may stand at a place, in words: "a whole number", "text or a mapping"."""
    names = list(dict.fromkeys(_name(choice) for choice in choices))
    if _NAMES[float] in names and _NAMES[int] in names:
        names.remove(_NAMES[int])
    return ", ".join([*names[:-2], " or ".join(names[-2:])]) or "something else"


def shape_hint(choices: Collection[Any]) -> str:
    """Names the fields to write where a mapping of one model belongs, else ""."""
    models = [choice for choice in choices if is_model(choice)]
    if len(models) != 1:
        return ""
    return f"write a mapping with: {', '.join(fields_of(models[0]))}"


def described(value: Any) -> str:
    """What stands there, in words; long text is cut."""
    if isinstance(value, str):
        return f'the text "{shown(value)}"' if value else "empty text"
    return shown(value)


def shown(value: Any) -> str:
    """The value in short, as YAML says it; collections only by their kind."""
    if isinstance(value, str):
        return value if len(value) <= _SHOWN else value[:_SHOWN] + "…"
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a mapping"
    return "a list" if isinstance(value, list) else orjson.dumps(value).decode()


def example(name: str, field: FieldInfo | None) -> str:
    """`name: value` with the field's first example, or "" when it has none."""
    if field is None or not field.examples:
        return ""
    text = yaml.safe_dump(
        [field.examples[0]], default_flow_style=True, allow_unicode=True, width=1_000
    )
    return f"{name}: {text.strip()[1:-1]}"


def _name(choice: Any) -> str:
    origin = get_origin(choice) or choice
    if origin is Literal or (isinstance(origin, type) and issubclass(origin, Enum)):
        return "one of " + ", ".join(values_of((choice,)))
    if origin in _NAMES:
        return _NAMES[origin]
    if is_model(origin) or (isinstance(origin, type) and issubclass(origin, Mapping)):
        return "a mapping"
    if isinstance(origin, type) and issubclass(origin, Collection):
        return "a list"
    return "something else"


def _number(value: Any) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _count(number: int, noun: str, plural: str = "") -> str:
    return f"{number} {noun if number == 1 else plural or noun + 's'}"
