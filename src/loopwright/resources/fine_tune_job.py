"""FineTuneJob: supervised fine-tuning on a dataset version; each success registers a model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from loopwright.resources.address import Address, Pointer
from loopwright.resources.base import Budget, Model, Nature, Resource, SeriesSpec
from loopwright.resources.markers import COSMETIC, POLICY, Ref
from loopwright.resources.rules import ExactlyOne, checked, schema_of

_HELD_OUT = ExactlyOne(("percentage", "dataset"))
_STARTS_FROM = ExactlyOne(("base", "model"))


class Validation(Model):
    """Held-out data: a percentage of the training set, or a dataset."""

    model_config = ConfigDict(json_schema_extra=schema_of(_HELD_OUT))

    percentage: int | None = Field(
        None, gt=0, lt=100, description="Percentage of the training set.", examples=[5]
    )
    dataset: Annotated[
        str | None, Ref(("Dataset",), is_input=True, revisions=True, feeders=True)
    ] = Field(None, description="A dataset version.", examples=["Dataset/router-heldout"])

    _one = model_validator(mode="after")(checked(_HELD_OUT))


class FineTuneJobSpec(SeriesSpec):
    """What is tuned, on what, how."""

    model_config = ConfigDict(json_schema_extra=schema_of(_STARTS_FROM))

    base: str | None = Field(
        None,
        min_length=1,
        description="A base model: on this machine `builtin:NAME`, a folder relative to the "
        "project, or a name of the Hugging Face hub (`org/name[@revision]`).",
        examples=["builtin:tiny-chat"],
    )
    model: Annotated[str | None, Ref(("Model",), is_input=True, revisions=True)] = Field(
        None, description="A custom model to go on from.", examples=["Model/router@2"]
    )
    training_type: Literal["SFT"] = Field(
        "SFT", description="Training type; SFT only.", examples=["SFT"]
    )
    method: Literal["full", "lora"] = Field(
        "lora", description="All weights, or a LoRA adapter.", examples=["lora"]
    )
    dataset: Annotated[str, Ref(("Dataset",), is_input=True, revisions=True, feeders=True)] = Field(
        description="Training data: a dataset version; without @ the newest.",
        examples=["Dataset/router-sft@3"],
    )
    validation: Validation | None = Field(
        None,
        description="Held-out data. Default: the split that the dataset version has of its own.",
        examples=[{"percentage": 5}],
    )
    hyperparameters: dict[str, int | float | bool | str] = Field(
        default_factory=dict,
        description="By name; names, ranges and defaults are the provider's and are checked "
        "at plan.",
        examples=[{"epochs": 3, "learningRate": 0.0002}],
    )
    seed: int = Field(0, ge=0, description="Seed of everything random.", examples=[7])
    models_kept: Annotated[int, COSMETIC] = Field(
        1,
        ge=1,
        le=10,
        description="How many models of a run are kept: the one that is registered, and under it, "
        "as `checkpoints/step-N`, those of the newest checkpoints before it. Each of these is a "
        "model folder that a Model can import.",
        examples=[3],
    )
    engine: Annotated[Literal["local", "accelerate"], COSMETIC] = Field(
        "local",
        description="What starts the training: one process, or accelerate's own launcher for "
        "several processes or GPUs.",
        examples=["accelerate"],
    )
    processes: int = Field(
        1,
        ge=1,
        le=64,
        description="Training processes; more than one with engine: accelerate only. Each takes "
        "a batch of its own, so the number decides the result.",
        examples=[2],
    )
    trust_remote_code: bool = Field(
        False,
        description="Whether Python code that comes with the base model may run.",
        examples=[True],
    )
    budget: Annotated[Budget | None, POLICY] = Field(
        None,
        description="Upper bounds; an estimate above one is refused.",
        examples=[{"cost": 200}],
    )

    _one = model_validator(mode="after")(checked(_STARTS_FROM))

    @model_validator(mode="after")
    def _held_out(self) -> FineTuneJobSpec:
        held_out = self.validation.dataset if self.validation else None
        if held_out and Pointer.parse(held_out) == Pointer.parse(self.dataset):
            raise PydanticCustomError(
                "held_out",
                "validates on its training data; name another dataset, or give a percentage",
            )
        return self

    @model_validator(mode="after")
    def _one_process(self) -> FineTuneJobSpec:
        if self.processes > 1 and self.engine == "local":
            raise PydanticCustomError(
                "processes",
                "takes processes: {processes} only with engine: accelerate",
                {"processes": self.processes},
            )
        return self


class FineTuneJob(Resource):
    """A series of supervised fine-tune runs on dataset versions.

    Job `x` registers model `x`, one revision a success, for endpoints to serve.
    """

    nature: ClassVar[Nature] = Nature.SERIES
    holds_data: ClassVar[bool] = True
    kind: Literal["FineTuneJob"] = Field(description="The kind.", examples=["FineTuneJob"])
    spec: FineTuneJobSpec = Field(
        description="What is tuned, on what, how.",
        examples=[
            {"provider": "local", "base": "builtin:tiny-chat", "dataset": "Dataset/router-sft"}
        ],
    )

    def provides(self) -> Iterator[Address]:
        yield Address("Model", self.metadata.name)

    def check(self, peers: Mapping[Address, Resource]) -> Iterator[tuple[str, str]]:
        if Address("Model", self.metadata.name) in peers:
            yield (
                "metadata.name",
                f"the job registers Model/{self.metadata.name}, which is also declared; "
                "rename one of them",
            )
