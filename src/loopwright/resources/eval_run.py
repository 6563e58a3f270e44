"""EvalRun: one suite against one endpoint."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from loopwright.resources.base import Budget, Nature, Resource, SeriesSpec
from loopwright.resources.markers import POLICY, Ref


class EvalRunSpec(SeriesSpec):
    """What is evaluated with what."""

    suite: Annotated[str, Ref(("EvalSuite",), is_input=True)] = Field(
        description="The suite.", examples=["router"]
    )
    endpoint: Annotated[str, Ref(("Endpoint",), is_input=True)] = Field(
        description="The endpoint of the model that is evaluated.",
        examples=["router-candidate"],
    )
    baseline: Annotated[str | None, Ref(("Endpoint",), is_input=True)] = Field(
        None,
        description="An endpoint to compare with, on the same items.",
        examples=["router"],
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
