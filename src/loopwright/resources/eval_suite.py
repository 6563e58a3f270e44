"""EvalSuite: what a model must be able to do, and how each ability is scored."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from loopwright.resources.base import Many, Model, Nature, Resource, Spec
from loopwright.resources.rules import NotEmpty
from loopwright.resources.suite_dataset import SuiteDataset

_PARAPHRASES = {"name": "paraphrases", "file": "eval/paraphrases.jsonl", "method": "exactMatch"}
_ROUTING = {"name": "routing", "datasets": [_PARAPHRASES]}


class Capability(Model):
    """An ability, scored by one or more datasets."""

    name: str = Field(min_length=1, description="Name in reports.", examples=["routing"])
    datasets: Annotated[Many[SuiteDataset], NotEmpty()] = Field(
        description="What it is scored on.",
        examples=[[_PARAPHRASES]],
    )

    @model_validator(mode="after")
    def _distinct(self) -> Capability:
        _refuse_repeated("dataset", [one.name for one in self.datasets])
        return self


class EvalSuiteSpec(Spec):
    """Capabilities and their datasets."""

    capabilities: Annotated[Many[Capability], NotEmpty()] = Field(
        description="The composite score is the mean of these.",
        examples=[[_ROUTING]],
    )

    @model_validator(mode="after")
    def _distinct(self) -> EvalSuiteSpec:
        _refuse_repeated("capability", [one.name for one in self.capabilities])
        return self


def _refuse_repeated(what: str, names: list[str]) -> None:
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise PydanticCustomError(
            "distinct",
            "holds the {what} {twice} twice; names must differ",
            {"what": what, "twice": ", ".join(twice)},
        )


class EvalSuite(Resource):
    """What a model must be able to do: capabilities, each scored on datasets.

    The composite score is the mean of the capabilities.
    """

    nature: ClassVar[Nature] = Nature.CONFIG
    kind: Literal["EvalSuite"] = Field(description="The kind.", examples=["EvalSuite"])
    spec: EvalSuiteSpec = Field(
        description="Capabilities and their datasets.", examples=[{"capabilities": [_ROUTING]}]
    )
