"""`${NAME}`: where values come from, which wins, and their place in a document's strings.

Works on parsed scalars, never on YAML text, so a value cannot change the structure around it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from loopwright.manifests.diagnostics import Diagnostic, Severity, nearest
from loopwright.manifests.document import Document
from loopwright.manifests.secrets import is_secret_name
from loopwright.manifests.source import Source
from loopwright.manifests.variable_types import Value, VariableDeclaration, as_given, converted

_REFERENCE = re.compile(r"\$\$\{|\$\{([^{}]*)\}|\$\{")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SECRET_NAME = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|CREDENTIAL", re.IGNORECASE)


def _may_refer(document: Document) -> bool:
    """Whether a look at the strings is worth it. An escape may stand for `${` in the text."""
    text, start, end = document.source.text, document.start, document.end
    return text.find("${", start, end) >= 0 or text.find("\\", start, end) >= 0


def _how_to_set(name: str) -> str:
    if _SECRET_NAME.search(name) or is_secret_name(name):
        return f"refer to it in a secret field: {{env: {name}}}"
    return f"set it with --var {name}=..., or declare it in loopwright.yaml with a default"


def _is_refused(name: str, origin: str) -> bool:
    """The environment was not written for manifests, so its names are judged more strictly."""
    if origin == "the process environment":
        return bool(_SECRET_NAME.search(name))
    return origin in ("--var", "--var-file") and is_secret_name(name)


def _refusal(name: str, origin: str) -> str:
    return f"the variable `{name}` from {origin} looks like a secret and is not put into manifests"


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
        for one in refused.values():
            diagnostics.append(document.problem(one.code, str(one), path, **one.facts))
        return value if refused else replaced

    def _in_text(self, text: str) -> tuple[Value, dict[str, _Refused]]:
        """The text with its references replaced, and the refused ones by message."""
        refused: dict[str, _Refused] = {}
        whole = _REFERENCE.fullmatch(text)

        def replacement(match: re.Match[str]) -> Any:
            try:
                return self._value(match[1]) if match is whole and match[1] else self._inside(match)
            except _Refused as error:
                refused[str(error)] = error
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
            return converted(declaration.default, declaration.type)
        raise _Refused(
            "unset-variable",
            f"the variable `{name}` has no value",
            found=name,
            nearest="" if declaration else nearest(name, self._known),
            hint=_how_to_set(name),
        )

    def _typed(self, name: str, value: Any, origin: str) -> Value:
        if _is_refused(name, origin):
            raise _Refused("secret-variable", _refusal(name, origin), hint=_how_to_set(name))
        declaration = self.declared.get(name)
        try:
            if isinstance(value, str):
                value.encode()
            return converted(value, declaration.type) if declaration else as_given(value)
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


def secret_variables(variables: Variables) -> list[Diagnostic]:
    """An error for each --var and entry of a file that is named like a secret, used or not."""
    given = [("--var", variables.cli), *(("--var-file", values) for values in variables.files)]
    return [
        Diagnostic(
            Severity.ERROR,
            "secret-variable",
            _refusal(name, origin),
            found=name,
            hint=_how_to_set(name),
        )
        for origin, values in given
        for name in values
        if is_secret_name(name)
    ]


def unused_variables(variables: Variables, sources: Iterable[Source]) -> list[Diagnostic]:
    """An error for each --var, and a warning for each entry of a file, that nothing refers to."""
    texts = [source.text for source in sources]
    severities = {name: Severity.WARNING for values in variables.files for name in values}
    severities |= dict.fromkeys(variables.cli, Severity.ERROR)
    return [
        Diagnostic(
            severity,
            "unused-variable",
            f"the variable `{name}` is set, but no manifest uses it",
            found=name,
            nearest=nearest(name, variables.declared),
        )
        for name, severity in severities.items()
        if name not in variables.declared and not any(f"${{{name}}}" in text for text in texts)
    ]
