"""What decides the lines of a dataset version: filter, sampling, cleaning, split, line format.

The data-plane form of a Dataset spec, and nothing else: no lake, no files, no resource kinds.
Only fields that differ from their defaults enter the digest, so that a new option with a default
leaves old digests alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any, Self

from loopwright.clock import from_text, to_text
from loopwright.errors import DatasetError
from loopwright.hashing import digest


class Order(StrEnum):
    """The way a count walks the population."""

    RANDOM = "random"
    CHRONOLOGICAL = "chronological"
    REVERSE = "reverseChronological"


class Dedup(StrEnum):
    """What counts as the same call: equal request and response, or nothing."""

    EXACT = "exact"
    NONE = "none"


class SplitBy(StrEnum):
    """What must never be torn apart between training and validation."""

    CALL = "call"
    SESSION = "session"
    SUBJECT = "subject"


class LineFormat(StrEnum):
    """The dialect of a JSON line."""

    OPENAI = "openai"
    ARK = "ark"


@dataclass(frozen=True)
class Filter:
    """Which calls are the population. `start` is inclusive, `end` exclusive; empty means all."""

    start: datetime | None = None
    end: datetime | None = None
    model_versions: tuple[str, ...] = ()
    endpoints: tuple[str, ...] = ()
    where: str | None = None
    response_schema: Mapping[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        fields = _set_only(
            {
                "from": self.start and to_text(self.start),
                "to": self.end and to_text(self.end),
                "modelVersions": list(self.model_versions),
                "endpoints": list(self.endpoints),
                "where": self.where,
            }
        )
        if self.response_schema is not None:  # an empty schema still asks for JSON
            fields["responseSchema"] = dict(self.response_schema)
        return fields


@dataclass(frozen=True)
class Sampling:
    """Exactly one of `ratio` (0 < p <= 1) and `count` (> 0). The salt picks the draw."""

    ratio: float | None = None
    count: int | None = None
    order: Order = Order.RANDOM
    salt: str = ""
    independent: bool = False

    def __post_init__(self) -> None:
        if (self.ratio is None) == (self.count is None):
            raise DatasetError("Sampling needs a ratio or a count, and not both")
        if self.ratio is not None and not 0 < self.ratio <= 1:
            raise DatasetError(f"A sampling ratio is above 0 and at most 1, not {self.ratio}")
        if self.count is not None and self.count < 1:
            raise DatasetError(f"A sampling count is at least 1, not {self.count}")
        if self.order is not Order.RANDOM and (self.ratio is not None or self.independent):
            raise DatasetError(f"Order {self.order} goes with a plain count only")

    def to_json(self) -> dict[str, Any]:
        return _set_only(
            {
                "ratio": self.ratio,
                "count": self.count,
                "order": None if self.order is Order.RANDOM else self.order.value,
                "salt": self.salt,
                "independent": self.independent,
            }
        )


@dataclass(frozen=True)
class Cleaning:
    """Which of the walked calls are left out. Token bounds are on input plus output."""

    outcomes: tuple[str, ...] = ("ok",)
    dedup: Dedup = Dedup.EXACT
    min_tokens: int | None = None
    max_tokens: int | None = None

    def to_json(self) -> dict[str, Any]:
        default = Cleaning()
        return _set_only(
            {
                "outcomes": None if self.outcomes == default.outcomes else list(self.outcomes),
                "dedup": None if self.dedup is default.dedup else self.dedup.value,
                "minTokens": self.min_tokens,
                "maxTokens": self.max_tokens,
            }
        )


@dataclass(frozen=True)
class Split:
    """The share of groups held out for validation, and what makes a group."""

    validation: float = 0.0
    by: SplitBy = SplitBy.SESSION

    def __post_init__(self) -> None:
        if not 0 <= self.validation < 1:
            raise DatasetError(f"A validation share is at least 0 and under 1: {self.validation}")

    def to_json(self) -> dict[str, Any]:
        by = None if self.by is SplitBy.SESSION else self.by.value
        return _set_only({"validation": self.validation, "by": by})


@dataclass(frozen=True)
class Recipe:
    """A dataset version is a pure function of a recipe and a lake cut."""

    sampling: Sampling
    filter: Filter = Filter()
    cleaning: Cleaning = Cleaning()
    split: Split = Split()
    line_format: LineFormat = LineFormat.OPENAI

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any]) -> Self:
        """Read the camelCase form. Raises DatasetError on what cannot be sampled."""
        if spec.get("format", "sft") != "sft":
            raise DatasetError(f"Cannot build format {spec['format']!r}", hint="Use format: sft.")
        try:
            return cls(
                sampling=_sampling(spec["sampling"]),
                filter=_filter(spec.get("filter") or {}),
                cleaning=_cleaning(spec.get("cleaning") or {}),
                split=_split(spec.get("split") or {}),
                line_format=LineFormat(spec.get("lineFormat") or LineFormat.OPENAI),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise DatasetError(f"Cannot read the dataset recipe: {error}") from error

    def to_json(self) -> dict[str, Any]:
        """The camelCase form with defaults left out; `from_spec` reads it back."""
        openai = self.line_format is LineFormat.OPENAI
        return _set_only(
            {
                "filter": self.filter.to_json(),
                "sampling": self.sampling.to_json(),
                "cleaning": self.cleaning.to_json(),
                "split": self.split.to_json(),
                "lineFormat": None if openai else self.line_format.value,
            }
        )

    @property
    def digest(self) -> str:
        return digest(self.to_json())


def _filter(spec: Mapping[str, Any]) -> Filter:
    return Filter(
        start=_moment(spec.get("from")),
        end=_moment(spec.get("to")),
        model_versions=_names(spec.get("modelVersions")),
        endpoints=_names(spec.get("endpoints")),
        where=(spec.get("where") or "").strip() or None,
        response_schema=spec.get("responseSchema"),
    )


def _sampling(spec: Mapping[str, Any]) -> Sampling:
    ratio = spec.get("ratio")
    return Sampling(
        ratio=None if ratio is None else float(ratio),
        count=spec.get("count"),
        order=Order(spec.get("order") or Order.RANDOM),
        salt=spec.get("salt") or "",
        independent=bool(spec.get("independent")),
    )


def _cleaning(spec: Mapping[str, Any]) -> Cleaning:
    return Cleaning(
        outcomes=_names(spec.get("outcomes")) or Cleaning().outcomes,
        dedup=Dedup(spec.get("dedup") or Dedup.EXACT),
        min_tokens=spec.get("minTokens"),
        max_tokens=spec.get("maxTokens"),
    )


def _split(spec: Mapping[str, Any]) -> Split:
    return Split(
        validation=float(spec.get("validation") or 0),
        by=SplitBy(spec.get("by") or SplitBy.SESSION),
    )


def _names(values: Iterable[str] | None) -> tuple[str, ...]:
    # Sorted: naming the same set in another order is the same recipe.
    return tuple(sorted(set(values or ())))


def _moment(value: str | date | datetime | None) -> datetime | None:
    """A date is its first instant in UTC."""
    if value is None:
        return None
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    return from_text(value if isinstance(value, str) else value.isoformat()).astimezone(UTC)


def _set_only(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value}
