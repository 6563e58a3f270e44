"""Dataset: an exact, reproducible sample of calls, in versions that never change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from loopwright.clock import from_text
from loopwright.resources.address import Address
from loopwright.resources.base import Many, Model, Nature, Resource, SeriesSpec
from loopwright.resources.markers import IMMUTABLE, NAME_PATTERN, Ref


def _moment(text: str) -> str:
    try:
        from_text(text)
    except ValueError as error:
        why = f"{text!r} is not a date; write 2026-10-01 or 2026-10-01T08:00:00Z"
        raise PydanticCustomError("date", "{why}", {"why": why}) from error
    return text


Moment = Annotated[str, AfterValidator(_moment)]


class Source(Model):
    """Where the calls come from: exactly one."""

    lake: Annotated[str | None, Ref(("Lake",), feeders=True)] = Field(
        None, description="A lake; every CallImport into it comes first.", examples=["main"]
    )
    inference_dataset: str | None = Field(
        None,
        pattern=f"^{NAME_PATTERN}$",
        description="An inference dataset made by an Export.",
        examples=["october-errors"],
    )

    @model_validator(mode="after")
    def _one(self) -> Source:
        if (self.lake is None) == (self.inference_dataset is None):
            raise PydanticCustomError("exactly_one", "give exactly one of lake, inferenceDataset")
        return self


class Filter(Model):
    """Which calls are in the population."""

    from_: Moment | None = Field(
        None,
        alias="from",
        description="First call date, inclusive (UTC).",
        examples=["2026-10-01"],
    )
    to: Moment | None = Field(
        None, description="End of the call dates, exclusive (UTC).", examples=["2026-11-01"]
    )
    model_versions: Many[str] = Field(
        (), description="Model versions as recorded.", examples=[["mini-2026-10"]]
    )
    endpoints: Many[str] = Field(
        (), description="Endpoint names as recorded.", examples=[["ticket-router"]]
    )
    where: str | None = Field(
        None,
        min_length=1,
        description="SQL condition over the metadata columns.",
        examples=["input_tokens < 4000 AND NOT has_tools"],
    )
    response_schema: dict[str, Any] | None = Field(
        None,
        description="JSON Schema that the answer must satisfy as JSON.",
        examples=[{"type": "object", "required": ["queue"]}],
    )

    @model_validator(mode="after")
    def _dates_in_order(self) -> Filter:
        if self.from_ and self.to and from_text(self.from_) >= from_text(self.to):
            raise PydanticCustomError(
                "date_order", "from must be before to, which is exclusive; no call can match"
            )
        return self


class Sampling(Model):
    """How many, and which: a ratio, or a count with an order. Neither: all."""

    ratio: float | None = Field(
        None, gt=0, le=1, description="Share of the calls, above 0, at most 1.", examples=[0.2]
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

    @model_validator(mode="after")
    def _consistent(self) -> Sampling:
        if self.ratio is not None and self.count is not None:
            raise PydanticCustomError("exactly_one", "give ratio or count, not both")
        if self.order is not None and self.count is None:
            raise PydanticCustomError(
                "order_without_count", "order goes with count; a ratio is always random"
            )
        return self


class Cleaning(Model):
    """What is left out of a sample, each with a counted reason."""

    outcomes: Many[str] = Field(
        ("ok",), min_length=1, description="Outcomes that stay.", examples=[["ok"]]
    )
    dedup: Literal["exact", "none"] = Field(
        "exact",
        description="exact: of calls with equal request and response the earliest stays.",
        examples=["none"],
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
            raise PydanticCustomError("bounds", "minTokens is above maxTokens; nothing would stay")
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

    new: str | None = Field(
        None,
        pattern=f"^{NAME_PATTERN}$",
        description="Name of a new dataset, which nobody owns yet. Default: this resource's.",
        examples=["router-sft"],
    )
    version_of: Annotated[str | None, Ref(("Dataset",))] = Field(
        None,
        description="An existing Dataset that gets a new version.",
        examples=["Dataset/router-sft"],
    )

    @model_validator(mode="after")
    def _one(self) -> Target:
        if self.new is not None and self.version_of is not None:
            raise PydanticCustomError("exactly_one", "give new or versionOf, not both")
        return self


class DatasetSpec(SeriesSpec):
    """Population, sample, cleaning, split and target."""

    source: Source = Field(description="Where the calls come from.", examples=[{"lake": "main"}])
    filter: Filter = Field(
        default_factory=Filter,
        description="Which calls are in the population.",
        examples=[{"endpoints": ["ticket-router"]}],
    )
    sampling: Sampling = Field(
        default_factory=Sampling,
        description="How many of them, and which.",
        examples=[{"ratio": 0.2}],
    )
    cleaning: Cleaning = Field(
        default_factory=Cleaning, description="What is left out.", examples=[{"dedup": "exact"}]
    )
    split: Split = Field(
        default_factory=Split,
        description="Training and validation.",
        examples=[{"validation": 0.1}],
    )
    target: Annotated[Target, IMMUTABLE] = Field(
        default_factory=Target,
        description="A new dataset or a new version of one.",
        examples=[{"versionOf": "Dataset/router-sft"}],
    )
    format: Literal["sft"] = Field("sft", description="Format; sft only.", examples=["sft"])
    line_format: Literal["openai", "ark"] = Field(
        "openai", description="Dialect of the SFT lines.", examples=["ark"]
    )


class Dataset(Resource):
    """A series of immutable dataset versions."""

    nature: ClassVar[Nature] = Nature.SERIES
    holds_data: ClassVar[bool] = True
    kind: Literal["Dataset"] = Field(description="The kind.", examples=["Dataset"])
    spec: DatasetSpec = Field(
        description="Population, sample and target.",
        examples=[{"provider": "local", "source": {"lake": "main"}}],
    )

    @property
    def dataset_name(self) -> str:
        """The name its versions are kept under."""
        if self.spec.target.version_of:
            return Address.parse(self.spec.target.version_of).name
        return self.spec.target.new or self.metadata.name

    def feeds(self) -> Address | None:
        named = self.spec.target.version_of
        return Address.parse(named) if named else None

    def claims(self) -> Iterator[tuple[str, str, str]]:
        if not self.spec.target.version_of:
            yield (
                "spec.target.new",
                f"the dataset name {self.dataset_name!r}",
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
