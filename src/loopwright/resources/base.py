"""What every kind shares: metadata, natures, spec bases, lifecycle, and reading markers back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    Strict,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from loopwright.manifests.diagnostics import nearest
from loopwright.resources.address import Address
from loopwright.resources.durations import Period
from loopwright.resources.markers import IMMUTABLE, POLICY, Marker, Ref
from loopwright.resources.references import Found, find_references, layout, models_in

API_VERSION = "loopwright.dev/v1alpha1"


class Nature(StrEnum):
    """How a kind lives: config has no remote life, standing objects are updated, runs are not."""

    CONFIG = "config"
    STANDING = "standing"
    RUN = "run"
    SERIES = "run series"

    @property
    def is_run(self) -> bool:
        return self in (Nature.RUN, Nature.SERIES)


class Model(BaseModel):
    """A strict, frozen piece of a manifest; camelCase in YAML, snake_case in code."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, alias_generator=to_camel, defer_build=True
    )


_T = TypeVar("_T")


def shared(model: Callable[[], _T]) -> Callable[[], _T]:
    """A default factory that makes one frozen value for all, since most specs say few fields."""
    return cache(model)


Many = Annotated[tuple[_T, ...], Strict(False)]
"""A YAML list, kept as a tuple so that a declaration cannot be changed."""


def _sorted_once(entries: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(sorted(set(entries)))


AnyOrder = Annotated[tuple[_T, ...], Strict(False), AfterValidator(_sorted_once)]
"""A YAML list whose order and repeats mean nothing, so that they change no fingerprint."""


class Metadata(Model):
    """Name, labels and annotations, as in the Kubernetes Resource Model."""

    name: str = Field(
        description="Name, unique among resources of this kind.",
        examples=["support-chat"],
        pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$",
    )
    labels: dict[str, str] = Field(
        default_factory=dict,
        description="Labels to select and group by; they change nothing.",
        examples=[{"team": "support"}],
    )
    annotations: dict[str, str] = Field(
        default_factory=dict,
        description="Free notes, kept but not interpreted.",
        examples=[{"loopwright.dev/owner": "li"}],
    )


class Lifecycle(Model):
    """What must not happen to a resource."""

    prevent_destroy: bool = Field(
        False,
        description="Refuse every plan that would delete or replace it. Kept in state, so "
        "removing the manifest does not remove the protection.",
        examples=[True],
    )
    ignore_changes: Many[str] = Field(
        (),
        description="Spec fields whose drift is left alone.",
        examples=[["rateLimit"]],
    )
    deletion_policy: Literal["delete", "retain"] | None = Field(
        None,
        description="What removing it does to the remote object. Default: retain for what "
        "holds data (lakes, dataset versions, models), else delete.",
        examples=["retain"],
    )


class Trigger(Model):
    """When a series makes a new revision."""

    on_change: bool = Field(
        True,
        description="Make one when the spec, or a revision it builds on, changed.",
        examples=[True],
    )
    every: Period | None = Field(
        None, description="Also make one when the last is this old.", examples=["7d"]
    )
    min_new_calls: int | None = Field(
        None,
        gt=0,
        description="Also make one when this many matching calls arrived since the last.",
        examples=[1000],
    )


class Budget(Model):
    """Upper bounds; a plan whose estimate exceeds one is refused (exit 7)."""

    cost: float | None = Field(
        None, gt=0, description="Money, in the provider's currency.", examples=[200]
    )
    hours: float | None = Field(None, gt=0, description="Hours of running time.", examples=[6])
    tokens: int | None = Field(None, gt=0, description="Tokens processed.", examples=[5_000_000])


class Spec(Model):
    """Base of every spec."""


class RealisedSpec(Spec):
    """Base of the specs that a provider makes real."""

    provider: Annotated[str, Ref(("Provider",)), IMMUTABLE] = Field(
        description="The Provider that realises this.", examples=["local"]
    )
    lifecycle: Annotated[Lifecycle, POLICY] = Field(
        default_factory=shared(Lifecycle),
        description="Protection and deletion rules.",
        examples=[{"preventDestroy": True}],
    )

    @model_validator(mode="after")
    def _ignores_known_fields(self) -> Self:
        known = [alias for _, alias, _ in layout(type(self))]
        for path in self.lifecycle.ignore_changes:
            name = path.removeprefix("spec.").partition(".")[0]
            if name not in known:
                near = nearest(name, known)
                advice = f"; did you mean {near!r}?" if near else ""
                why = f"has no field {name!r} for lifecycle.ignoreChanges to name{advice}"
                raise PydanticCustomError("ignored_field", "{why}", {"why": why})
        return self


class SeriesSpec(RealisedSpec):
    """Base of the specs whose runs make one revision after another."""

    trigger: Annotated[Trigger, POLICY] = Field(
        default_factory=shared(Trigger),
        description="When to make a new revision.",
        examples=[{"every": "7d"}],
    )
    attempts: Annotated[int, POLICY] = Field(
        3,
        ge=1,
        le=10,
        description="How often a run that failed for a passing reason is tried.",
        examples=[3],
    )


class Promotion(NamedTuple):
    """How a better revision takes over a field of a standing resource."""

    field: str
    """Top-level spec field that the promoted pointer replaces."""
    candidate: Address
    """The series whose newest revision is the candidate."""
    eval_run: Address
    min_composite: float | None
    max_regression: float | None
    manual: bool
    confidence: float = 0.95
    """Of the bound that no regression may be worse than: one-sided."""
    canary: Mapping[str, Any] = {}
    """How it takes over step by step, in normal form; empty: at once."""


class Resource(Model):
    """A validated declaration of one kind. Subclasses say kind, nature and spec."""

    nature: ClassVar[Nature] = Nature.STANDING
    holds_data: ClassVar[bool] = False
    """Kept by destroy unless `--delete-data` is given."""
    overwrites: ClassVar[bool] = False
    """Of a run: a later revision may take the place of an earlier one's result."""
    attaches_to: ClassVar[str] = ""
    """Reference field of the resource whose creation it is handed to, if any."""
    identity_fields: ClassVar[tuple[str, ...]] = ()
    """Spec fields that decide what others get from it; empty: all that decide a result."""
    passes_on: ClassVar[str] = ""
    """Spec field whose reference is all that others get from it: by whatever resource a model is
    served, and however it came to be served there, it is the same model."""

    api_version: Literal["loopwright.dev/v1alpha1"] = Field(
        description="Version of the manifest format.", examples=[API_VERSION]
    )
    kind: str
    metadata: Metadata = Field(
        description="Name, labels, annotations.", examples=[{"name": "support-chat"}]
    )
    spec: Spec
    _base_dir: Path = PrivateAttr(default_factory=Path)

    @property
    def address(self) -> Address:
        return Address(self.kind, self.metadata.name)

    @property
    def base_dir(self) -> Path:
        """The folder of the manifest; `MANIFEST_PATH` fields are relative to it."""
        return self._base_dir

    def lies_in(self, folder: Path) -> None:
        """Remember the folder of the manifest; once, when it is parsed."""
        self._base_dir = folder

    @property
    def provider(self) -> Address | None:
        """The Provider that realises it; None for config kinds."""
        return Address.parse(self.spec.provider) if isinstance(self.spec, RealisedSpec) else None

    @property
    def lifecycle(self) -> Lifecycle:
        return self.spec.lifecycle if isinstance(self.spec, RealisedSpec) else Lifecycle()

    @property
    def trigger(self) -> Trigger:
        return self.spec.trigger if isinstance(self.spec, SeriesSpec) else Trigger()

    @property
    def keeps_remote(self) -> bool:
        """Whether removing it leaves the remote object in place."""
        policy = self.lifecycle.deletion_policy
        return self.holds_data if policy is None else policy == "retain"

    def desired(self) -> dict[str, Any]:
        """The spec in normal form: JSON values, camelCase, defaults said, nothing null."""
        return self.spec.model_dump(mode="json", by_alias=True, exclude_none=True)

    def deciding(self) -> dict[str, Any]:
        """What decides a run's result. Defaults are left out, so that a field added by a later
        release leaves the fingerprints of earlier runs alone."""
        full = self.spec.model_dump(
            mode="json", by_alias=True, exclude_none=True, exclude_defaults=True
        )
        skipped = marked_fields(type(self.spec), "policy") | marked_fields(
            type(self.spec), "cosmetic"
        )
        return {name: value for name, value in full.items() if name not in skipped}

    def identity(self) -> dict[str, Any]:
        """What decides what others get from it, e.g. the model of an endpoint."""
        deciding = self.deciding()
        if not self.identity_fields:
            return deciding
        return {name: deciding[name] for name in self.identity_fields if name in deciding}

    def references(self) -> Iterator[Found]:
        """Every reference in the spec, in field order."""
        yield from find_references(self.spec, ("spec",))

    def implied(self, declared: Mapping[str, Sequence[Address]]) -> Iterator[Found]:
        """References that nobody writes, but that what is `declared`, by kind, brings about."""
        del declared
        return iter(())

    def promotion(self) -> Promotion | None:
        """What is promoted to it, and behind which gate."""
        return None

    def feeds(self) -> Address | None:
        """The resource that it adds to: whoever needs that with `feeders` needs this first."""
        return None

    def provides(self) -> Iterator[Address]:
        """What comes of it under another address and may be referred to: a job's model."""
        return iter(())

    def claims(self) -> Iterator[tuple[str, str, str]]:
        """What only one resource may have: yields (field path, claim, how to mend a clash)."""
        return iter(())

    def check(self, peers: Mapping[Address, Resource]) -> Iterator[tuple[str, str]]:
        """Rules that need other resources: yields (field path, what is wrong)."""
        del peers
        return iter(())


@cache
def marked_fields(model: type[BaseModel], marker: str) -> frozenset[str]:
    """The camelCase names of the direct fields that bear a marker."""
    return frozenset(
        alias
        for _, alias, metadata in layout(model)
        if any(isinstance(mark, Marker) and mark.name == marker for mark in metadata)
    )


@cache
def marked_paths(model: type[BaseModel], marker: str) -> frozenset[str]:
    """Dotted camelCase paths, nested models included, of the fields that bear a marker."""
    found = set()
    for (_, alias, _), field in zip(layout(model), model.model_fields.values(), strict=True):
        if alias in marked_fields(model, marker):
            found.add(alias)
        for nested in models_in(field.annotation):
            found |= {f"{alias}.{path}" for path in marked_paths(nested, marker)}
    return frozenset(found)
