"""BatchInference: many requests against a model or endpoint, results in a file."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from loopwright.resources.base import Budget, Duration, Model, Nature, RealisedSpec, Resource
from loopwright.resources.markers import MANIFEST_PATH, POLICY, Ref


class BatchInput(Model):
    """The requests: exactly one."""

    dataset: Annotated[
        str | None, Ref(("Dataset",), is_input=True, revisions=True, feeders=True)
    ] = Field(None, description="A dataset version.", examples=["Dataset/router-sft@3"])
    file: Annotated[str | None, MANIFEST_PATH] = Field(
        None,
        min_length=1,
        description="JSONL in the OpenAI or Ark batch line format.",
        examples=["batch/questions.jsonl"],
    )

    @model_validator(mode="after")
    def _one(self) -> BatchInput:
        if (self.dataset is None) == (self.file is None):
            raise PydanticCustomError("exactly_one", "give exactly one of dataset, file")
        return self


class BatchInferenceSpec(RealisedSpec):
    """Who answers what, by when."""

    endpoint: Annotated[str | None, Ref(("Endpoint",), is_input=True)] = Field(
        None, description="The endpoint that answers.", examples=["support-chat"]
    )
    model: Annotated[str | None, Ref(("Model",), is_input=True, revisions=True)] = Field(
        None, description="The model that answers.", examples=["Model/router"]
    )
    input: BatchInput = Field(
        description="The requests.", examples=[{"file": "batch/questions.jsonl"}]
    )
    output: str = Field(
        min_length=1,
        description="Folder or prefix for results and errors.",
        examples=["batch/answers"],
    )
    completion_window: Duration = Field("1d", description="How long it may take.", examples=["12h"])
    budget: Annotated[Budget | None, POLICY] = Field(
        None,
        description="Upper bounds; an estimate above one is refused.",
        examples=[{"cost": 20}],
    )

    @model_validator(mode="after")
    def _one(self) -> BatchInferenceSpec:
        if (self.endpoint is None) == (self.model is None):
            raise PydanticCustomError("exactly_one", "give exactly one of endpoint, model")
        return self


class BatchInference(Resource):
    """A batch run."""

    nature: ClassVar[Nature] = Nature.RUN
    kind: Literal["BatchInference"] = Field(description="The kind.", examples=["BatchInference"])
    spec: BatchInferenceSpec = Field(
        description="Who answers what.",
        examples=[
            {
                "provider": "local",
                "endpoint": "support-chat",
                "input": {"file": "batch/questions.jsonl"},
                "output": "batch/answers",
            }
        ],
    )
