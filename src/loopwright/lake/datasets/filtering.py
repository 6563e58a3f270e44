"""Which calls are a dataset's population: the values of a filter, and the JSON they are said in.

Values only; `matching` holds rows of a lake against them. A field that says nothing is left out of
the JSON, so that a new one leaves old digests alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from loopwright.clock import from_text, to_text


@dataclass(frozen=True, slots=True)
class Bounds:
    """A number of tokens between two others, both inclusive; None: no bound."""

    least: int | None = None
    most: int | None = None

    def to_json(self) -> dict[str, Any]:
        return stated({"min": self.least, "max": self.most})


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackRule:
    """What the newest feedback of a name must say of a call; with no value: that there is some.

    With a `source` only feedback of that source is looked at. `equals` is true or false, a number
    or a label.
    """

    name: str
    at_least: float | None = None
    at_most: float | None = None
    equals: bool | float | str | None = None
    source: str | None = None

    def to_json(self) -> dict[str, Any]:
        said = {
            "name": self.name,
            "atLeast": self.at_least,
            "atMost": self.at_most,
            "equals": self.equals,
            "source": self.source,
        }
        return {name: value for name, value in said.items() if value is not None}


@dataclass(frozen=True)
class Filter:
    """Which calls are the population. `start` is inclusive, `end` exclusive; empty means all."""

    start: datetime | None = None
    end: datetime | None = None
    model_versions: tuple[str, ...] = ()
    endpoints: tuple[str, ...] = ()
    outcomes: tuple[str, ...] = ()
    tokens: Mapping[str, Bounds] = field(default_factory=dict)
    """By `input`, `output` and `total`."""
    tags: Mapping[str, str] = field(default_factory=dict)
    feedback: tuple[FeedbackRule, ...] = ()
    where: str | None = None
    response_schema: Mapping[str, Any] | None = None

    @property
    def goes_by_file(self) -> bool:
        """Whether what a file says of itself may decide for all of its rows."""
        return not (
            self.model_versions
            or self.outcomes
            or self.tokens
            or self.tags
            or self.feedback
            or self.where
        )

    def to_json(self) -> dict[str, Any]:
        fields = stated(
            {
                "from": self.start and to_text(self.start),
                "to": self.end and to_text(self.end),
                "modelVersions": list(self.model_versions),
                "endpoints": list(self.endpoints),
                "outcomes": list(self.outcomes),
                "tokens": {of: bounds.to_json() for of, bounds in sorted(self.tokens.items())},
                "tags": dict(sorted(self.tags.items())),
                "feedback": [rule.to_json() for rule in self.feedback],
                "where": self.where,
            }
        )
        if self.response_schema is not None:  # an empty schema still asks for JSON
            fields["responseSchema"] = dict(self.response_schema)
        return fields


def filter_of(spec: Mapping[str, Any]) -> Filter:
    """Read the camelCase form. Raises KeyError, TypeError or ValueError on what is none."""
    # Told apart by their JSON: to Python, true and 1 are the same.
    rules = {repr(rule.to_json()): rule for rule in map(_rule, spec.get("feedback") or ())}
    return Filter(
        start=_moment(spec.get("from")),
        end=_moment(spec.get("to")),
        model_versions=names(spec.get("modelVersions")),
        endpoints=names(spec.get("endpoints")),
        outcomes=names(spec.get("outcomes")),
        tokens={
            of: Bounds(said.get("min"), said.get("max"))
            for of, said in (spec.get("tokens") or {}).items()
            if stated(said)
        },
        tags=dict(spec.get("tags") or {}),
        feedback=tuple(rule for _, rule in sorted(rules.items())),
        where=(spec.get("where") or "").strip() or None,
        response_schema=spec.get("responseSchema"),
    )


def names(values: Iterable[str] | None) -> tuple[str, ...]:
    """Sorted: naming the same set in another order is the same recipe."""
    return tuple(sorted(set(values or ())))


def stated(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that say something."""
    return {name: value for name, value in fields.items() if value}


def _rule(said: Mapping[str, Any]) -> FeedbackRule:
    return FeedbackRule(
        name=said["name"],
        at_least=said.get("atLeast"),
        at_most=said.get("atMost"),
        equals=said.get("equals"),
        source=said.get("source"),
    )


def _moment(value: str | date | datetime | None) -> datetime | None:
    """A date is its first instant in UTC."""
    if value is None:
        return None
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    return from_text(value if isinstance(value, str) else value.isoformat()).astimezone(UTC)
