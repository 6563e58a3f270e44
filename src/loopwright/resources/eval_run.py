"""EvalRun: one suite against one endpoint."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from loopwright.resources.base import Budget, Nature, Resource, SeriesSpec
from loopwright.resources.markers import COSMETIC, POLICY, Ref


class EvalRunSpec(SeriesSpec):
    """What is evaluated with what."""

    suite: Annotated[str, Ref(("EvalSuite",), is_input=True)] = Field(
        description="The suite.", examples=["router"]
    )
    endpoint: Annotated[str, Ref(("Endpoint",), is_input=True)] = Field(
        description="The endpoint of the model that is evaluated.",
        examples=["router-candidate"],
    )
    baseline: Annotated[str | None, Ref(("Endpoint",), is_input=True, compares="endpoint")] = Field(
        None,
        description="An endpoint to compare with, on the same items.",
        examples=["router"],
    )
    floors: Annotated[
        str | None, Ref(("Dataset",), is_input=True, revisions=True, feeders=True)
    ] = Field(
        None,
        description="A dataset whose training questions are answered without a model, to score "
        "beside: by its most frequent answer, and by the answer to its nearest question.",
        examples=["Dataset/router-sft"],
    )
    confidence: float = Field(
        0.95, gt=0.5, lt=1, description="Confidence of all intervals.", examples=[0.9]
    )
    concurrency: Annotated[int, COSMETIC] = Field(
        8, ge=1, le=1024, description="Questions asked at once, of each endpoint.", examples=[16]
    )
    budget: Annotated[Budget | None, POLICY] = Field(
        None,
        description="Upper bounds; an estimate above one is refused.",
        examples=[{"cost": 20}],
    )

    @model_validator(mode="after")
    def _compares(self) -> EvalRunSpec:
        if self.baseline == self.endpoint:
            raise PydanticCustomError(
                "same_endpoint", "compares an endpoint with itself; name another baseline, or none"
            )
        return self


class EvalRun(Resource):
    """A series of evaluations of one endpoint, one run per model it serves.

    Each run is viewed alone, or beside a baseline on the same items.
    """

    nature: ClassVar[Nature] = Nature.SERIES
    kind: Literal["EvalRun"] = Field(description="The kind.", examples=["EvalRun"])
    spec: EvalRunSpec = Field(
        description="What is evaluated with what.",
        examples=[{"provider": "local", "suite": "router", "endpoint": "router-candidate"}],
    )
