"""BatchInference: many requests against a model or endpoint, results in a file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field, model_validator

from loopwright.resources.base import Budget, Model, Nature, RealisedSpec, Resource
from loopwright.resources.durations import Period
from loopwright.resources.markers import COSMETIC, MANIFEST_PATH, POLICY, Ref
from loopwright.resources.request_parameters import all_but
from loopwright.resources.rules import ExactlyOne, checked, schema_of

_INPUT = ExactlyOne(("dataset", "export", "file"))
_ANSWERED_BY = ExactlyOne(("endpoint", "model"))
_OURS = ("model", "messages", "stream", "stream_options")
"""A batch asks the model that it names, what each line says, and for whole answers."""


class BatchInput(Model):
    """The requests: exactly one."""

    model_config = ConfigDict(json_schema_extra=schema_of(_INPUT))

    dataset: Annotated[
        str | None, Ref(("Dataset",), is_input=True, revisions=True, feeders=True)
    ] = Field(
        None,
        description="A dataset version: what was asked in each line, without the last answer.",
        examples=["Dataset/router-sft@3"],
    )
    export: Annotated[str | None, Ref(("Export",), is_input=True)] = Field(
        None,
        description="What an Export has put into a folder or into an inference dataset.",
        examples=["Export/october-errors"],
    )
    file: Annotated[str | None, MANIFEST_PATH] = Field(
        None,
        min_length=1,
        description="JSONL in the OpenAI or Ark batch line format, or with `messages` alone.",
        examples=["batch/questions.jsonl"],
    )

    _one = model_validator(mode="after")(checked(_INPUT))


class BatchInferenceSpec(RealisedSpec):
    """Who answers what, by when."""

    model_config = ConfigDict(json_schema_extra=schema_of(_ANSWERED_BY))

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
    parameters: Annotated[dict[str, Any], all_but(_OURS, decided_by="the batch")] = Field(
        default_factory=dict,
        description="Put into every request that does not say them itself.",
        examples=[{"temperature": 0, "max_tokens": 64}],
    )
    concurrency: Annotated[int, COSMETIC] = Field(
        8, ge=1, le=1024, description="Requests asked at once.", examples=[32]
    )
    order: Literal["input", "completion"] = Field(
        "input",
        description="Order of the results: that of the requests, or that of the answers.",
        examples=["completion"],
    )
    completion_window: Period = Field(
        "1d",
        description="How long it may take; what is not answered by then is told as expired.",
        examples=["12h"],
    )
    budget: Annotated[Budget | None, POLICY] = Field(
        None,
        description="Upper bounds; an estimate above one is refused.",
        examples=[{"cost": 20}],
    )

    _one = model_validator(mode="after")(checked(_ANSWERED_BY))


class BatchInference(Resource):
    """Many requests answered in one run: results in one file, failures in another.

    A request that was answered is not asked again, however often the run is killed.
    """

    nature: ClassVar[Nature] = Nature.RUN
    overwrites: ClassVar[bool] = True
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

    def claims(self) -> Iterator[tuple[str, str, str]]:
        place = self.spec.output.rstrip("/")
        yield "spec.output", f"the place {place!r}", "write each to a place of its own"
