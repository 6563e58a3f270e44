"""Parameters of a query: what type each has, and what a value must look like.

Values are bound to prepared parameters; nothing here puts one into the text of a query.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from loopwright.clock import from_text
from loopwright.errors import SqlError
from loopwright.lake.sql.request import Value


class ParameterType(StrEnum):
    """The types a header may name."""

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    DATE = "date"
    TIMESTAMP = "timestamp"

    def read(self, text: str) -> Value:
        """What the text says. Raises ValueError."""
        return _READ[self](text)


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter; without a default it has to be given."""

    name: str
    type: ParameterType
    default: Value | None = None
    about: str = ""

    def value(self, text: str) -> Value:
        """A value as somebody typed it. Raises SqlError."""
        try:
            return self.type.read(text)
        except ValueError as error:
            raise SqlError(
                f"the parameter {self.name} is {_ARTICLE[self.type]}, not {text!r}",
                hint=self.about or None,
            ) from error


def bound(declared: tuple[Parameter, ...], given: Mapping[str, str]) -> dict[str, Value]:
    """A value for every declared parameter; what is given undeclared is bound as text.

    Raises SqlError over a value of the wrong type, and over a missing one.
    """
    found: dict[str, Value] = dict(given)
    for parameter in declared:
        if parameter.name in given:
            found[parameter.name] = parameter.value(given[parameter.name])
        elif parameter.default is not None:
            found[parameter.name] = parameter.default
        else:
            raise SqlError(
                f"the parameter {parameter.name} has no value",
                hint=f"give it one: --param {parameter.name}=VALUE",
            )
    return found


def _boolean(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError(text)
    return text.lower() == "true"


_READ: Mapping[ParameterType, Callable[[str], Value]] = {
    ParameterType.TEXT: str,
    ParameterType.INTEGER: int,
    ParameterType.NUMBER: float,
    ParameterType.BOOLEAN: _boolean,
    ParameterType.DATE: date.fromisoformat,
    ParameterType.TIMESTAMP: from_text,
}
_ARTICLE = {
    ParameterType.TEXT: "a text",
    ParameterType.INTEGER: "an integer",
    ParameterType.NUMBER: "a number",
    ParameterType.BOOLEAN: "true or false",
    ParameterType.DATE: "a date such as 2026-01-31",
    ParameterType.TIMESTAMP: "a moment such as 2026-01-31T09:00Z",
}
