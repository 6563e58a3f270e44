"""Export: a query, a template or a dataset version, written where others can use it."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from loopwright.resources.base import Many, Model, Nature, RealisedSpec, Resource
from loopwright.resources.markers import NAME_PATTERN, Ref


class ExportSource(Model):
    """What is exported: exactly one of dataset, query, template."""

    dataset: Annotated[
        str | None, Ref(("Dataset",), is_input=True, revisions=True, feeders=True)
    ] = Field(
        None,
        description="A dataset version; without @ the newest.",
        examples=["Dataset/router-sft@3"],
    )
    query: str | None = Field(
        None,
        min_length=1,
        description="One SELECT over the view `calls`.",
        examples=["SELECT call_id, request FROM calls WHERE outcome = 'ok'"],
    )
    template: str | None = Field(
        None, min_length=1, description="A named SQL template.", examples=["error-rate"]
    )
    parameters: dict[str, str | int | float] = Field(
        default_factory=dict, description="Parameters of the template.", examples=[{"days": 7}]
    )
    lake: Annotated[str | None, Ref(("Lake",), feeders=True)] = Field(
        None, description="The lake that a query or template reads.", examples=["main"]
    )

    @model_validator(mode="after")
    def _one(self) -> ExportSource:
        if sum(value is not None for value in (self.dataset, self.query, self.template)) != 1:
            raise PydanticCustomError("exactly_one", "give exactly one of dataset, query, template")
        if (self.dataset is None) != (self.lake is not None):
            raise PydanticCustomError(
                "lake", "a query or template names its lake; a dataset does not"
            )
        if self.parameters and self.template is None:
            raise PydanticCustomError("parameters", "parameters go with template")
        return self


class Destination(Model):
    """Where it goes: exactly one of the three."""

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

    @model_validator(mode="after")
    def _one(self) -> Destination:
        given = (self.inference_dataset, self.path, self.provider_dataset)
        if sum(value is not None for value in given) != 1:
            raise PydanticCustomError(
                "exactly_one", "give exactly one of inferenceDataset, path, providerDataset"
            )
        return self


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
        name = self.to.provider_dataset
        if (
            name
            and self.source.dataset
            and not self.source.dataset.partition("@")[0].endswith(f"/{name}")
        ):
            raise PydanticCustomError(
                "name_kept",
                "a whole dataset keeps its source's name at the provider; write "
                "providerDataset: {name}",
                {"name": self.source.dataset.partition("@")[0].partition("/")[2]},
            )
        return self


class Export(Resource):
    """An export, written once, whole or not at all."""

    nature: ClassVar[Nature] = Nature.RUN
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
