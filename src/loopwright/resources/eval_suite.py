"""EvalSuite: what a model must be able to do, and how each ability is scored."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from loopwright.resources.base import Many, Model, Nature, Resource, Spec
from loopwright.resources.markers import MANIFEST_PATH, NAME_PATTERN, Edge, Ref
from loopwright.resources.rules import ExactlyOne, NotEmpty, checked, schema_of

_PARAPHRASES = {"name": "paraphrases", "file": "eval/paraphrases.jsonl", "method": "exactMatch"}
_ROUTING = {"name": "routing", "datasets": [_PARAPHRASES]}

Method = Literal[
    "exactMatch",
    "includes",
    "regex",
    "f1",
    "rougeL",
    "numeric",
    "jsonValid",
    "jsonSchema",
    "toolCall",
    "multipleChoice",
    "judge",
]


_QUESTIONS = ExactlyOne(("file", "dataset"))


class SuiteDataset(Model):
    """One scored set of questions."""

    model_config = ConfigDict(json_schema_extra=schema_of(_QUESTIONS))

    name: str = Field(
        pattern=f"^{NAME_PATTERN}$", description="Name in reports.", examples=["paraphrases"]
    )
    file: Annotated[str | None, MANIFEST_PATH] = Field(
        None,
        min_length=1,
        description="JSONL or CSV, relative to this manifest.",
        examples=["eval/paraphrases.jsonl"],
    )
    dataset: Annotated[
        str | None, Ref(("Dataset",), Edge.NEEDS, is_input=True, revisions=True, feeders=True)
    ] = Field(
        None,
        description="The validation split of a dataset version.",
        examples=["Dataset/router-sft"],
    )
    method: Method = Field(description="How answers are scored.", examples=["exactMatch"])
    weight: float = Field(1, gt=0, description="Weight within the capability.", examples=[2])
    system_prompt: str | None = Field(
        None, description="System prompt put before each question.", examples=["Answer in JSON."]
    )
    parameters: dict[str, Any] = Field(
        default_factory=dict,
        description="Request parameters and settings of the method.",
        examples=[{"temperature": 0}],
    )

    _one = model_validator(mode="after")(checked(_QUESTIONS))


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
