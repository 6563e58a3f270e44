"""Model: a custom model that comes from outside the loop."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field, model_validator

from loopwright.resources.base import Model as Part
from loopwright.resources.base import RealisedSpec, Resource
from loopwright.resources.markers import COSMETIC, IMMUTABLE
from loopwright.resources.rules import ExactlyOne, checked, schema_of

_WEIGHTS = ExactlyOne(("path", "providerId"))


class Weights(Part):
    """Where the weights are: exactly one."""

    model_config = ConfigDict(json_schema_extra=schema_of(_WEIGHTS))

    path: str | None = Field(
        None,
        min_length=1,
        description="A folder with safetensors, relative to this manifest, or an object-store "
        "prefix. A PEFT adapter is one too.",
        examples=["models/router"],
    )
    provider_id: str | None = Field(
        None, min_length=1, description="Its id at the provider.", examples=["cm-20260101-abc"]
    )

    _one = model_validator(mode="after")(checked(_WEIGHTS))


class ModelSpec(RealisedSpec):
    """Where the model comes from."""

    weights: Annotated[Weights, IMMUTABLE] = Field(
        description="Where the weights are.", examples=[{"path": "models/router"}]
    )
    base: Annotated[str | None, IMMUTABLE] = Field(
        None,
        min_length=1,
        description="The base model it was made from; of an adapter the one it is put on. Default: "
        "the one that the adapter names.",
        examples=["Qwen/Qwen3-0.6B"],
    )
    trust_remote_code: Annotated[bool, IMMUTABLE] = Field(
        False,
        description="Whether Python code that comes with the model may run.",
        examples=[True],
    )
    description: Annotated[str, COSMETIC] = Field(
        "", max_length=300, description="A note for people.", examples=["Tuned by hand in May"]
    )


class Model(Resource):
    """A custom model from outside the loop; those that jobs make need no declaration."""

    holds_data: ClassVar[bool] = True
    kind: Literal["Model"] = Field(description="The kind.", examples=["Model"])
    spec: ModelSpec = Field(
        description="Where it comes from.",
        examples=[{"provider": "local", "weights": {"path": "models/router"}}],
    )
