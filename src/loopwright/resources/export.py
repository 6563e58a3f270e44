"""Export: a query, a template or a whole dataset, written where others can use it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from loopwright.resources.address import Address, Pointer
from loopwright.resources.base import Many, Model, Nature, RealisedSpec, Resource
from loopwright.resources.inference import INFERENCE_DATASET, inference_dataset
from loopwright.resources.markers import NAME_PATTERN, Ref
from loopwright.resources.references import Found
from loopwright.resources.rules import ExactlyOne, Requires, checked, schema_of

_SOURCE = (
    ExactlyOne(("dataset", "inferenceDataset", "query", "template")),
    Requires("query", ("lake",), "takes query only with lake, the one that it reads"),
    Requires("template", ("lake",), "takes template only with lake, the one that it reads"),
    Requires("lake", ("query", "template"), "takes lake only with query or template"),
    Requires("parameters", ("template",), "takes parameters only with template"),
)
_DESTINATION = ExactlyOne(("inferenceDataset", "path", "providerDataset"))


class ExportSource(Model):
    """What is exported: exactly one of dataset, inferenceDataset, query, template."""

    model_config = ConfigDict(json_schema_extra=schema_of(*_SOURCE))

    dataset: Annotated[
        str | None, Ref(("Dataset",), is_input=True, revisions=True, feeders=True)
    ] = Field(
        None,
        description="A dataset version; without @ the newest.",
        examples=["Dataset/router-sft@3"],
    )
    inference_dataset: str | None = Field(
        None,
        pattern=f"^{NAME_PATTERN}$",
        description="A whole inference dataset.",
        examples=["october-errors"],
    )
    query: str | None = Field(
        None,
        min_length=1,
        description="One SELECT over `calls` and `feedback`. For an inference dataset it gives "
        "`call_id`: the calls that are put there.",
        examples=["SELECT call_id, request FROM calls WHERE outcome = 'ok'"],
    )
    template: str | None = Field(
        None,
        min_length=1,
        description="A named SQL template: one that ships with loopwright, or `queries/NAME.sql` "
        "of the project. `loopwright sql --templates` lists them.",
        examples=["error-rate"],
    )
    parameters: dict[str, str | int | float] = Field(
        default_factory=dict, description="Parameters of the template.", examples=[{"days": 7}]
    )
    lake: Annotated[str | None, Ref(("Lake",), feeders=True)] = Field(
        None, description="The lake that a query or template reads.", examples=["main"]
    )

    _consistent = model_validator(mode="after")(checked(*_SOURCE))

    @property
    def whole(self) -> str:
        """The name of the set that is exported whole; "" for what a query or template finds."""
        if self.dataset:
            return Pointer.parse(self.dataset).address.name
        return self.inference_dataset or ""


class Destination(Model):
    """Where it goes: exactly one of the three."""

    model_config = ConfigDict(json_schema_extra=schema_of(_DESTINATION))

    inference_dataset: str | None = Field(
        None,
        pattern=f"^{NAME_PATTERN}$",
        description="A new inference dataset: a named, encrypted set of calls.",
        examples=["october-errors"],
    )
    path: str | None = Field(
        None,
        min_length=1,
        description="A folder (relative to the project) or an object-store prefix.",
        examples=["exports/router", "s3://bucket/exports/router/"],
    )
    provider_dataset: str | None = Field(
        None, min_length=1, description="A dataset of the provider.", examples=["router-sft"]
    )

    _one = model_validator(mode="after")(checked(_DESTINATION))


class ExportSpec(RealisedSpec):
    """What goes where."""

    source: ExportSource = Field(
        description="What is exported.", examples=[{"dataset": "Dataset/router-sft"}]
    )
    to: Destination = Field(description="Where it goes.", examples=[{"path": "exports/router"}])
    fields: Many[str] = Field(
        (), description="Fields that are exported; none named: all.", examples=[["messages"]]
    )
    format: Literal["jsonl"] = Field("jsonl", description="File format.", examples=["jsonl"])

    @model_validator(mode="after")
    def _keeps_name(self) -> ExportSpec:
        named, whole = self.to.provider_dataset, self.source.whole
        if named and whole and named != whole:
            raise PydanticCustomError(
                "name_kept",
                "renames a whole dataset, which keeps its name; write providerDataset: {name}",
                {"name": whole},
            )
        return self


class Export(Resource):
    """Writes what a query finds, or a whole dataset, where others can use it.

    That is a new inference dataset, a folder or object-store prefix, or a dataset of the
    provider; written once, whole or not at all.
    """

    nature: ClassVar[Nature] = Nature.RUN
    overwrites: ClassVar[bool] = True
    holds_data: ClassVar[bool] = True
    kind: Literal["Export"] = Field(description="The kind.", examples=["Export"])
    spec: ExportSpec = Field(
        description="What goes where.",
        examples=[
            {
                "provider": "local",
                "source": {"dataset": "Dataset/router-sft"},
                "to": {"path": "exports/router"},
            }
        ],
    )

    def references(self) -> Iterator[Found]:
        yield from super().references()
        if name := self.spec.source.inference_dataset:
            yield inference_dataset(("spec", "source", "inferenceDataset"), name)

    def provides(self) -> Iterator[Address]:
        if name := self.spec.to.inference_dataset:
            yield Address(INFERENCE_DATASET, name)

    def claims(self) -> Iterator[tuple[str, str, str]]:
        to = self.spec.to
        if to.inference_dataset:
            claim = f"the inference dataset {to.inference_dataset!r}"
            yield "spec.to.inferenceDataset", claim, "an export makes a new one; take another name"
        if to.path:
            claim = f"the place {to.path.rstrip('/')!r}"
            yield "spec.to.path", claim, "write each to a place of its own"
