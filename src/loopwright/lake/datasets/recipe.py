"""What decides the lines of a dataset version: filter, sampling, cleaning, split, line format.

The data-plane form of a Dataset spec, and nothing else: no lake, no files, no resource kinds.
Only fields that differ from their defaults enter the digest, so that a new option with a default
leaves old digests alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self

from loopwright.errors import DatasetError
from loopwright.hashing import digest
from loopwright.lake.datasets.filtering import Filter, filter_of, names, stated


class Order(StrEnum):
    """The way a count walks the population."""

    RANDOM = "random"
    CHRONOLOGICAL = "chronological"
    REVERSE = "reverseChronological"


class Dedup(StrEnum):
    """What counts as the same call: equal or also nearly equal request and response, or nothing."""

    EXACT = "exact"
    NEAR = "near"
    NONE = "none"


class SplitBy(StrEnum):
    """What must never be torn apart between training and validation."""

    CALL = "call"
    SESSION = "session"
    SUBJECT = "subject"


class Targets(StrEnum):
    """Which answer is trained on: the recorded one, or a person's correction where there is one."""

    ANSWERED = "answered"
    CORRECTED = "corrected"


class LineFormat(StrEnum):
    """The dialect of a JSON line."""

    OPENAI = "openai"
    ARK = "ark"


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
        return stated(
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
    decontaminate: bool = True

    def to_json(self) -> dict[str, Any]:
        default = Cleaning()
        fields = stated(
            {
                "outcomes": None if self.outcomes == default.outcomes else list(self.outcomes),
                "dedup": None if self.dedup is default.dedup else self.dedup.value,
                "minTokens": self.min_tokens,
                "maxTokens": self.max_tokens,
            }
        )
        return fields if self.decontaminate else {**fields, "decontaminate": False}


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
        return stated({"validation": self.validation, "by": by})


@dataclass(frozen=True)
class Recipe:
    """A dataset version is a pure function of a recipe and a lake cut.

    `held_out` names what no line may give away: `suite/set` -> digest of its questions.
    """

    sampling: Sampling
    filter: Filter = field(default_factory=Filter)
    cleaning: Cleaning = Cleaning()
    split: Split = Split()
    line_format: LineFormat = LineFormat.OPENAI
    targets: Targets = Targets.ANSWERED
    held_out: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any]) -> Self:
        """Read the camelCase form. Raises DatasetError on what cannot be sampled."""
        if spec.get("format", "sft") != "sft":
            raise DatasetError(f"Cannot build format {spec['format']!r}", hint="Use format: sft.")
        try:
            return cls(
                sampling=_sampling(spec["sampling"]),
                filter=filter_of(spec.get("filter") or {}),
                cleaning=_cleaning(spec.get("cleaning") or {}),
                split=_split(spec.get("split") or {}),
                line_format=LineFormat(spec.get("lineFormat") or LineFormat.OPENAI),
                targets=Targets(spec.get("targets") or Targets.ANSWERED),
                held_out=dict(spec.get("heldOut") or {}),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise DatasetError(f"Cannot read the dataset recipe: {error}") from error

    def to_json(self) -> dict[str, Any]:
        """The camelCase form with defaults left out; `from_spec` reads it back."""
        openai = self.line_format is LineFormat.OPENAI
        answered = self.targets is Targets.ANSWERED
        return stated(
            {
                "filter": self.filter.to_json(),
                "sampling": self.sampling.to_json(),
                "cleaning": self.cleaning.to_json(),
                "split": self.split.to_json(),
                "lineFormat": None if openai else self.line_format.value,
                "targets": None if answered else self.targets.value,
                "heldOut": dict(sorted(self.held_out.items())),
            }
        )

    @property
    def digest(self) -> str:
        return digest(self.to_json())


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
        outcomes=names(spec.get("outcomes")) or Cleaning().outcomes,
        dedup=Dedup(spec.get("dedup") or Dedup.EXACT),
        min_tokens=spec.get("minTokens"),
        max_tokens=spec.get("maxTokens"),
        decontaminate=spec.get("decontaminate", True) is not False,
    )


def _split(spec: Mapping[str, Any]) -> Split:
    return Split(
        validation=float(spec.get("validation") or 0),
        by=SplitBy(spec.get("by") or SplitBy.SESSION),
    )
