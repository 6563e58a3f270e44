"""Dataset: an exact, reproducible sample of calls, in versions that never change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from loopwright.resources.address import Address, Pointer
from loopwright.resources.base import AnyOrder, Model, Nature, Resource, SeriesSpec, shared
from loopwright.resources.dataset_filter import Filter, Outcome
from loopwright.resources.inference import inference_dataset
from loopwright.resources.markers import IMMUTABLE, NAME_PATTERN, Edge, Ref
from loopwright.resources.references import Found
from loopwright.resources.rules import AtMostOne, ExactlyOne, NotEmpty, Requires, checked, schema_of

_SOURCE = ExactlyOne(("lake", "inferenceDataset"))
_SIZE = (
    AtMostOne(("ratio", "count")),
    Requires("order", ("count",), "takes order only with count; a ratio is always random"),
)
_INDEPENDENT_IS_RANDOM = {
    "$comment": "independent only without order, or with order random",
    "if": {"required": ["independent"], "properties": {"independent": {"const": True}}},
    "then": {"properties": {"order": {"enum": [None, "random"]}}},
}
_TARGET = AtMostOne(("new", "versionOf"))
_HELD_OUT = Ref(("EvalSuite",), Edge.READS, is_input=True)


class Source(Model):
    """Where the calls come from: exactly one."""

    model_config = ConfigDict(json_schema_extra=schema_of(_SOURCE))

    lake: Annotated[str | None, Ref(("Lake",), feeders=True)] = Field(
        None, description="A lake; every CallImport into it comes first.", examples=["main"]
    )
    inference_dataset: str | None = Field(
        None,
        pattern=f"^{NAME_PATTERN}$",
        description="An inference dataset made by an Export.",
        examples=["october-errors"],
    )

    _one = model_validator(mode="after")(checked(_SOURCE))


class Sampling(Model):
    """How many, and which: a ratio, or a count with an order. Neither: all."""

    model_config = ConfigDict(json_schema_extra=schema_of(*_SIZE, more=[_INDEPENDENT_IS_RANDOM]))

    ratio: float | None = Field(
        None, gt=0, le=1, description="Share of the calls; 0.2 for 20 %.", examples=[0.2]
    )
    count: int | None = Field(
        None,
        gt=0,
        description="Number of rows after cleaning. Fewer in the lake: no version, waiting.",
        examples=[10_000],
    )
    order: Literal["random", "chronological", "reverseChronological"] | None = Field(
        None, description="Order of a count; default random.", examples=["chronological"]
    )
    salt: str = Field("", description="Another salt picks another sample.", examples=["2026-q4"])
    independent: bool = Field(
        False,
        description="Rank by a salted hash: samples of different salts are independent draws, "
        "at the price of a scan.",
        examples=[True],
    )

    _consistent = model_validator(mode="after")(checked(*_SIZE))

    @model_validator(mode="after")
    def _ranked_once(self) -> Sampling:
        if self.independent and self.order not in (None, "random"):
            raise PydanticCustomError(
                "independent_order",
                "is random where it is independent; leave out order: {order}",
                {"order": self.order},
            )
        # Saying the default is saying nothing: it must not change a fingerprint.
        return self.model_copy(update={"order": None}) if self.order == "random" else self


class Cleaning(Model):
    """What is left out of a sample, each with a counted reason."""

    outcomes: Annotated[AnyOrder[Outcome], NotEmpty()] = Field(
        ("ok",), description="Outcomes that stay.", examples=[["ok", "cached"]]
    )
    dedup: Literal["exact", "near", "none"] = Field(
        "exact",
        description="exact: of calls with equal request and response the earliest stays; near: "
        "also of nearly equal ones, at the price of reading the text of the whole population.",
        examples=["near"],
    )
    decontaminate: bool = Field(
        True,
        description="Leave out calls that share text with a question of any EvalSuite of these "
        "manifests. Questions drawn from this Dataset's own validation split are exempt.",
        examples=[False],
    )
    min_tokens: int | None = Field(
        None, ge=1, description="Least tokens of prompt and answer together.", examples=[8]
    )
    max_tokens: int | None = Field(
        None, ge=1, description="Most tokens of prompt and answer together.", examples=[4096]
    )

    @model_validator(mode="after")
    def _bounds(self) -> Cleaning:
        if self.min_tokens and self.max_tokens and self.min_tokens > self.max_tokens:
            raise PydanticCustomError("bounds", "leaves nothing: minTokens is above maxTokens")
        return self


class Split(Model):
    """Training and validation."""

    validation: float = Field(
        0, ge=0, lt=1, description="Share held out for validation.", examples=[0.1]
    )
    by: Literal["call", "session", "subject"] = Field(
        "session", description="What is never torn apart by the split.", examples=["subject"]
    )


class Target(Model):
    """A new dataset, or a new version of an existing one."""

    model_config = ConfigDict(json_schema_extra=schema_of(_TARGET))

    new: str | None = Field(
        None,
        pattern=f"^{NAME_PATTERN}$",
        description="Name of a new dataset, which nobody owns yet. Default: this resource's.",
        examples=["router-sft"],
    )
    version_of: Annotated[str | None, Ref(("Dataset",), recorded=True)] = Field(
        None,
        description="An existing Dataset, declared or in the state, that gets a new version.",
        examples=["Dataset/router-sft"],
    )

    _one = model_validator(mode="after")(checked(_TARGET))


class DatasetSpec(SeriesSpec):
    """Population, sample, cleaning, split and target."""

    source: Source = Field(description="Where the calls come from.", examples=[{"lake": "main"}])
    filter: Filter = Field(
        default_factory=shared(Filter),
        description="Which calls are in the population.",
        examples=[{"endpoints": ["ticket-router"]}],
    )
    sampling: Sampling = Field(
        default_factory=shared(Sampling),
        description="How many of them, and which.",
        examples=[{"ratio": 0.2}],
    )
    cleaning: Cleaning = Field(
        default_factory=shared(Cleaning),
        description="What is left out.",
        examples=[{"dedup": "exact"}],
    )
    split: Split = Field(
        default_factory=shared(Split),
        description="Training and validation.",
        examples=[{"validation": 0.1}],
    )
    target: Annotated[Target, IMMUTABLE] = Field(
        default_factory=shared(Target),
        description="A new dataset or a new version of one.",
        examples=[{"versionOf": "Dataset/router-sft"}],
    )
    format: Literal["sft"] = Field("sft", description="Format; sft only.", examples=["sft"])
    targets: Literal["answered", "corrected"] = Field(
        "answered",
        description="corrected: where a person gave another answer as feedback, the newest such "
        "answer is trained on instead of the recorded one.",
        examples=["corrected"],
    )
    line_format: Literal["openai", "ark"] = Field(
        "openai", description="Dialect of the SFT lines.", examples=["ark"]
    )

    @model_validator(mode="after")
    def _some_outcome_stays(self) -> DatasetSpec:
        wanted, kept = self.filter.outcomes, self.cleaning.outcomes
        if wanted and not set(wanted) & set(kept):
            why = (
                f"leaves nothing: filter.outcomes lets through {', '.join(wanted)}, and "
                f"cleaning.outcomes keeps {', '.join(kept)}"
            )
            raise PydanticCustomError("outcomes", "{why}", {"why": why})
        return self


class Dataset(Resource):
    """A series of immutable dataset versions: exact, reproducible samples of calls.

    The same spec and the same calls give the same lines on any machine. While there are fewer
    rows than `count` there is no version: it waits.
    """

    nature: ClassVar[Nature] = Nature.SERIES
    holds_data: ClassVar[bool] = True
    kind: Literal["Dataset"] = Field(description="The kind.", examples=["Dataset"])
    spec: DatasetSpec = Field(
        description="Population, sample and target.",
        examples=[{"provider": "local", "source": {"lake": "main"}}],
    )

    def references(self) -> Iterator[Found]:
        yield from super().references()
        if name := self.spec.source.inference_dataset:
            yield inference_dataset(("spec", "source", "inferenceDataset"), name)

    def implied(self, declared: Mapping[str, Sequence[Address]]) -> Iterator[Found]:
        """Every EvalSuite, since no line may give its questions away. Read and not needed: a
        suite may be drawn from this very Dataset."""
        if self.spec.cleaning.decontaminate:
            for address in declared.get("EvalSuite", ()):
                path = ("spec", "cleaning", "decontaminate", address.name)
                yield Found(path, Pointer(address), _HELD_OUT)

    def feeds(self) -> Address | None:
        named = self.spec.target.version_of
        return Address.parse(named) if named else None

    def claims(self) -> Iterator[tuple[str, str, str]]:
        if not self.spec.target.version_of:
            yield (
                "spec.target.new",
                f"the dataset name {self.spec.target.new or self.metadata.name!r}",
                "write target: {versionOf: Dataset/...} to add a version to it",
            )

    def check(self, peers: Mapping[Address, Resource]) -> Iterator[tuple[str, str]]:
        if not self.spec.target.version_of:
            return
        named = peers.get(Address.parse(self.spec.target.version_of))
        if isinstance(named, Dataset) and named.spec.target.version_of:
            yield (
                "spec.target.versionOf",
                f"{named.address} itself adds versions to {named.spec.target.version_of}; "
                "name that one",
            )
