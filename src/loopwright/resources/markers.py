"""What a spec field means to the planner, said beside its type with `Annotated`.

The planner reads these and has no branch per kind or per field.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

NAME_PATTERN = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_NAME = re.compile(NAME_PATTERN)


class Edge(StrEnum):
    """`needs` orders an apply and must be acyclic; `reads` takes what state already records."""

    NEEDS = "needs"
    READS = "reads"


@dataclass(frozen=True, slots=True)
class Marker:
    """A plain mark without a value of its own."""

    name: str


IMMUTABLE = Marker("immutable")
"""A change replaces the object, whatever the provider could do in place."""

WRITE_ONLY = Marker("write-only")
"""The world never tells it back, so it is never compared with the world."""

POLICY = Marker("policy")
"""For loopwright alone: not sent to the provider, not compared, not part of a fingerprint."""

COSMETIC = Marker("cosmetic")
"""Sent to the provider, but decides no result: a run is not repeated because of it."""

MANIFEST_PATH = Marker("manifest-path")
"""A file path relative to the manifest that declares it."""


@dataclass(frozen=True, slots=True)
class Said:
    """What people call a type that is text to the machine."""

    word: str


@dataclass(frozen=True, slots=True)
class Ref:
    """A typed pointer to another resource.

    With one kind a bare name is enough; it is normalised to `Kind/name`. `is_input` says that
    the revision pointed at decides the result, so it enters the fingerprint; with a `reads` edge
    the files that the target names do, and the runs that it is drawn from. `revisions`
    allows `@` and a revision or alias. `feeders` also needs whatever feeds the target: the
    imports into a lake, the further versions of a dataset. With `recorded` it is enough that
    state knows the target; with `elsewhere` the target may exist without loopwright. `compares`
    names the field path of another input that this one is only compared with: a run is not
    repeated because both have come to be the same.
    """

    kinds: tuple[str, ...]
    edge: Edge = Edge.NEEDS
    is_input: bool = False
    revisions: bool = False
    feeders: bool = False
    recorded: bool = False
    elsewhere: bool = False
    compares: str = ""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.normalise, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        found = handler(schema)
        kinds = "|".join(self.kinds)
        prefix = f"({kinds}/)?" if len(self.kinds) == 1 else f"({kinds})/"
        suffix = "(@[A-Za-z0-9._-]+)?" if self.revisions else ""
        found["pattern"] = f"^{prefix}{NAME_PATTERN}{suffix}$"
        return found

    def normalise(self, text: str | None) -> str | None:
        """The reference written in full. Raises what pydantic reports at the field."""
        if text is None:
            return None
        target, at, revision = text.partition("@")
        if at and not (self.revisions and revision):
            raise PydanticCustomError("reference", "{why}", {"why": self._no_revision(text)})
        kind, slash, name = target.partition("/")
        if not slash and len(self.kinds) == 1:
            kind, name = self.kinds[0], target
        if kind not in self.kinds or not _NAME.fullmatch(name):
            raise PydanticCustomError("reference", "{why}", {"why": self._bad(text)})
        return f"{kind}/{name}@{revision}" if at else f"{kind}/{name}"

    def _bad(self, text: str) -> str:
        forms = " or ".join(f"{kind}/name" for kind in self.kinds)
        kinds = " or ".join(self.kinds)
        return f"must be a reference to {kinds}, written {forms}, but is {text!r}"

    def _no_revision(self, text: str) -> str:
        if self.revisions:
            return f"must have a revision number or an alias after the @, but is {text!r}"
        return f"follows the current revision and cannot name one, as {text!r} does"
