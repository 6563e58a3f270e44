"""`${NAME}`: where values come from, which wins, and their place in a document's strings.

Works on parsed scalars, never on YAML text, so a value cannot change the structure around it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from loopwright.manifests.diagnostics import Diagnostic, nearest
from loopwright.manifests.document import Document
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

_REFERENCE = re.compile(r"\$\$\{|\$\{([^{}]*)\}|\$\{")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SECRET_NAME = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|CREDENTIAL", re.IGNORECASE)


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


def _undeclared(value: Any) -> Value:
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


def _may_refer(document: Document) -> bool:
    """Whether a look at the strings is worth it. An escape may stand for `${` in the text."""
    text, start, end = document.source.text, document.start, document.end
    return text.find("${", start, end) >= 0 or text.find("\\", start, end) >= 0


class _Refused(Exception):
    """A reference that cannot be replaced; carries the facts of its diagnostic."""

    def __init__(self, code: str, message: str, **facts: Any) -> None:
        super().__init__(message)
        self.code = code
        self.facts = facts


@dataclass(frozen=True)
class Variables:
    """Values for `${NAME}`. The first that has it wins: cli, files, project, environment, default.

    A later file wins over an earlier one; `project` is the chosen environment of loopwright.yaml.
    """

    cli: Mapping[str, str] = field(default_factory=dict)
    files: Sequence[Mapping[str, Any]] = ()
    project: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    declared: Mapping[str, VariableDeclaration] = field(default_factory=dict)

    def substitute(self, document: Document) -> tuple[Document, list[Diagnostic]]:
        """The document with every `${NAME}` replaced; what cannot be, stays and is reported."""
        diagnostics: list[Diagnostic] = []
        if not _may_refer(document):
            return document, diagnostics
        data = self._in_value(document, document.data, (), diagnostics)
        return replace(document, data=data), diagnostics

    def _in_value(
        self,
        document: Document,
        value: Any,
        path: tuple[str | int, ...],
        diagnostics: list[Diagnostic],
    ) -> Any:
        if isinstance(value, dict):
            return {
                key: self._in_value(document, item, (*path, key), diagnostics)
                for key, item in value.items()
            }
        if isinstance(value, list):
            return [
                self._in_value(document, item, (*path, index), diagnostics)
                for index, item in enumerate(value)
            ]
        if not isinstance(value, str) or "${" not in value:
            return value
        replaced, refused = self._in_text(value)
        for one in refused:
            diagnostics.append(document.problem(one.code, str(one), path, **one.facts))
        return value if refused else replaced

    def _in_text(self, text: str) -> tuple[Value, list[_Refused]]:
        refused: list[_Refused] = []
        whole = _REFERENCE.fullmatch(text)

        def replacement(match: re.Match[str]) -> Any:
            try:
                return self._value(match[1]) if match is whole and match[1] else self._inside(match)
            except _Refused as error:
                refused.append(error)
                return match[0]

        return replacement(whole) if whole else _REFERENCE.sub(replacement, text), refused

    def _inside(self, match: re.Match[str]) -> str:
        if match[0] == "$${":
            return "${"
        if match[1] is None:
            hint = "close it with `}`, or write `$${` for the characters themselves"
            raise _Refused("bad-variable", "a `${` is not closed", hint=hint)
        value = self._value(match[1])
        if isinstance(value, list):
            message = f"the variable `{match[1]}` is a list and cannot stand inside text"
            raise _Refused("bad-variable", message, hint="let it be the whole value")
        return str(value).lower() if isinstance(value, bool) else str(value)

    def _value(self, name: str) -> Value:
        if not _NAME.fullmatch(name):
            hint = "use letters, digits and `_`; defaults are declared in loopwright.yaml"
            message = f"`${{{name}}}` is not a reference to a variable"
            raise _Refused("bad-variable", message, found=name, hint=f"{hint}; `$${{` escapes")
        for origin, values in self._origins:
            if name in values:
                return self._typed(name, values[name], origin)
        declaration = self.declared.get(name)
        if declaration and declaration.default is not None:
            return declaration.default
        raise _Refused(
            "unset-variable",
            f"the variable `{name}` has no value",
            found=name,
            nearest="" if declaration else nearest(name, self._known),
            hint=f"set it with --var {name}=..., or declare it in loopwright.yaml with a default",
        )

    def _typed(self, name: str, value: Any, origin: str) -> Value:
        if origin == "the process environment" and _SECRET_NAME.search(name):
            raise _Refused(
                "secret-variable",
                f"the environment variable `{name}` looks like a secret"
                " and is not put into manifests",
                hint=f"refer to it in a secret field: {{env: {name}}}",
            )
        declaration = self.declared.get(name)
        try:
            if isinstance(value, str):
                value.encode()
            return converted(value, declaration.type) if declaration else _undeclared(value)
        except UnicodeEncodeError:
            message = f"the variable `{name}` from {origin} is not valid text"
            raise _Refused("bad-variable", message) from None
        except ValueError as error:
            message = f"the variable `{name}` from {origin} {error}"
            raise _Refused("wrong-type", message) from None

    @cached_property
    def _origins(self) -> list[tuple[str, Mapping[str, Any]]]:
        files = [("--var-file", values) for values in reversed(self.files)]
        return [
            ("--var", self.cli),
            *files,
            ("loopwright.yaml", self.project),
            ("the process environment", self.environment),
        ]

    @property
    def _known(self) -> Iterator[str]:
        yield from self.declared
        for origin, values in self._origins:
            if origin != "the process environment":
                yield from values
