"""The types a variable may have, its declaration, and how given values are read as a type."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from loopwright.manifests.model import ManifestModel

VariableType = Literal[
    "string",
    "integer",
    "number",
    "boolean",
    "list(string)",
    "list(integer)",
    "list(number)",
    "list(boolean)",
]
Value = str | int | float | bool | list[str | int | float | bool]


class VariableDeclaration(ManifestModel):
    """A variable that manifests may use as `${NAME}`."""

    type: VariableType = Field(
        default="string",
        description="What the value must be; text from the command line is read as this.",
        examples=["number", "list(string)"],
    )
    default: Value | None = Field(
        default=None,
        description="Used when nothing sets the variable. Without one it has to be set.",
        examples=[0.2],
    )
    description: str = Field(
        default="", description="What the variable is for.", examples=["Share of calls sampled."]
    )

    @model_validator(mode="after")
    def _default_has_the_type(self) -> Self:
        if self.default is not None:
            converted(self.default, self.type)
        return self


def converted(value: Any, kind: str) -> Value:
    """`value` as the declared type; text is read. Raises ValueError saying what it is not."""
    if kind.startswith("list("):
        items = [part.strip() for part in value.split(",")] if isinstance(value, str) else value
        if not isinstance(items, list):
            raise ValueError(f"must be a {kind}")
        return [_CONVERSIONS[kind[5:-1]](item) for item in items if item != ""]
    scalar: Value = _CONVERSIONS[kind](value)
    return scalar


def as_given(value: Any) -> Value:
    """A value as it is, when it cannot change the structure around it. Raises ValueError."""
    items = value if isinstance(value, list) else [value]
    if all(isinstance(item, str | int | float | bool) for item in items):
        scalar: Value = value
        return scalar
    raise ValueError("must be text, a number, true or false, or a list of these")


def _as_string(value: Any) -> str:
    if isinstance(value, str):
        return value
    raise ValueError("must be text")


def _as_integer(value: Any) -> int:
    if isinstance(value, str) and re.fullmatch(r"[-+]?[0-9]{1,18}", value, re.ASCII):
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise ValueError("must be a whole number")


def _as_number(value: Any) -> int | float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    try:
        number = float(value) if isinstance(value, str) else math.nan
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError("must be a number")
    return number


def _as_boolean(value: Any) -> bool:
    if value in ("true", "false"):
        return bool(value == "true")
    if isinstance(value, bool):
        return value
    raise ValueError("must be true or false")


_CONVERSIONS: dict[str, Callable[[Any], Any]] = {
    "string": _as_string,
    "integer": _as_integer,
    "number": _as_number,
    "boolean": _as_boolean,
}
