"""Queries in files: a comment that tells what they are and which parameters they take, then SQL.

    -- Calls a day.
    -- param since date = 2026-01-01 -- The first day.
    SELECT ... WHERE dt >= $since

Ours come with the package, a project's own lie in its folder and go before ours of the same name.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from loopwright.errors import SqlError
from loopwright.lake.sql.parameters import Parameter, ParameterType, bound
from loopwright.lake.sql.request import Value

_PARAMETER = re.compile(
    r"param\s+(?P<name>[a-z_]\w*)\s+(?P<type>\w+)"
    r"(?:\s*=\s*(?P<default>'[^']*'|\S+))?(?:\s+--\s*(?P<about>.*))?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Template:
    """A query with a name. `query` is the whole file, its header included."""

    name: str
    query: str
    about: str = ""
    parameters: tuple[Parameter, ...] = ()
    source: str = ""
    """The file it is from; empty for ours."""

    def values(self, given: Mapping[str, str]) -> dict[str, Value]:
        """What its parameters are bound to. Raises SqlError, also over one it does not take."""
        known = [parameter.name for parameter in self.parameters]
        for name in given:
            if name not in known:
                takes = ", ".join(known) or "none"
                raise SqlError(
                    f"the template {self.name} has no parameter {name}", hint=f"it takes {takes}"
                )
        return bound(self.parameters, given)


def parse(text: str, *, name: str, source: str = "") -> Template:
    """Read a query and its header; one without a header is fine. Raises SqlError with the line."""
    about, parameters = [], []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.startswith("--"):
            break
        said = line.removeprefix("--").strip()
        if said.startswith("param "):
            parameters.append(_parameter(said, where=f"line {number} of {source or name}"))
        else:
            about.append(said)
    return Template(name, text, " ".join(filter(None, about)), tuple(parameters), source)


@dataclass(frozen=True)
class Templates:
    """The templates that can be named: ours, and those in `folder`."""

    folder: Path

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Sorted."""
        return tuple(sorted({*self._ours, *self._theirs}))

    @property
    def all(self) -> tuple[Template, ...]:
        """Raises SqlError over a file that cannot be read or understood."""
        return tuple(self.get(name) for name in self.names)

    def get(self, name: str) -> Template:
        """Raises SqlError when there is none, naming the nearest, and as `all`."""
        if path := self._theirs.get(name):
            return parse(_read(path), name=name, source=str(path))
        if ours := self._ours.get(name):
            return parse(ours.read_text("utf-8"), name=name)
        near = difflib.get_close_matches(name, self.names, n=1)
        raise SqlError(
            f"there is no template {name!r}",
            hint=f"did you mean {near[0]}?" if near else f"there are {', '.join(self.names)}",
        )

    @cached_property
    def _ours(self) -> Mapping[str, Traversable]:
        shipped = files(__package__).joinpath("shipped").iterdir()
        return {file.name.removesuffix(".sql"): file for file in shipped}

    @cached_property
    def _theirs(self) -> Mapping[str, Path]:
        return {path.stem: path for path in self.folder.glob("*.sql")}


def _parameter(said: str, *, where: str) -> Parameter:
    found = _PARAMETER.fullmatch(said)
    if found is None:
        raise SqlError(
            f"{where} is no parameter: {said!r}",
            hint="write `-- param NAME TYPE = DEFAULT -- what it is`",
        )
    name, default, about = found["name"], found["default"], found["about"] or ""
    if found["type"] not in set(ParameterType):
        known = ", ".join(ParameterType)
        raise SqlError(f"{where} has an unknown type {found['type']!r}", hint=f"types: {known}")
    free = Parameter(name, ParameterType(found["type"]), None, about)
    if default is None:
        return free
    try:
        value = free.value(default[1:-1] if default.startswith("'") else default)
    except SqlError as error:
        raise SqlError(f"{where}: {error.message}", hint=error.hint) from error
    return Parameter(name, free.type, value, about)


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SqlError(f"cannot read {path}: {error}") from error
