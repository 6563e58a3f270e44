"""One scored set of questions of an EvalSuite: where it lies, and how answers are scored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from loopwright.answer_schemas import problem_of
from loopwright.resources.base import Many, Model
from loopwright.resources.markers import MANIFEST_PATH, NAME_PATTERN, Edge, Ref
from loopwright.resources.request_parameters import all_but
from loopwright.resources.rules import ExactlyOne, NotEmpty, checked, schema_of

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
_METHODS: Mapping[str, tuple[str, ...]] = {
    "compare": ("exactMatch", "includes"),
    "pattern": ("regex",),
    "schema": ("jsonSchema",),
    "tolerance": ("numeric",),
    "relativeTolerance": ("numeric",),
    "choices": ("multipleChoice",),
    "partialCredit": ("toolCall",),
    "judge": ("judge",),
}
"""Settings that mean something to some methods only."""
_NEEDED = {"jsonSchema": "schema", "judge": "judge"}
"""Methods that cannot do without a setting."""
_OURS = frozenset({"model", "messages", "stream", "stream_options", "n"})
"""Request parameters that the evaluation itself decides."""
_FITTING = [
    {
        "$comment": f"{name} only with method {' or '.join(methods)}",
        "if": {"required": [name], "properties": {name: {"not": {"enum": [None, False]}}}},
        "then": {"properties": {"method": {"enum": [*methods]}}},
    }
    for name, methods in _METHODS.items()
] + [
    {
        "$comment": f"method {method} needs {name}",
        "if": {"required": ["method"], "properties": {"method": {"const": method}}},
        "then": {"required": [name], "properties": {name: {"type": "object"}}},
    }
    for method, name in _NEEDED.items()
]


def sound_pattern(pattern: str) -> str:
    """A regular expression that can be run. Raises what pydantic reports at the field."""
    import regex

    try:
        regex.compile(pattern)
    except regex.error as error:
        facts = {"why": str(error)}
        raise PydanticCustomError("regex", "is no regular expression: {why}", facts) from error
    return pattern


def _sound_schema(schema: dict[str, Any]) -> dict[str, Any]:
    if why := problem_of(schema):
        raise PydanticCustomError("json_schema", "{why}", {"why": why})
    return schema


Parameters = Annotated[dict[str, Any], all_but(_OURS, decided_by="the evaluation")]


class Compare(Model):
    """What does not count when texts are compared. White space at the ends never does."""

    ignore_case: bool = Field(
        False, description="Capital and small letters are the same.", examples=[True]
    )
    ignore_whitespace: bool = Field(
        False, description="Any run of white space is one space.", examples=[True]
    )
    ignore_punctuation: bool = Field(False, description="Punctuation is left out.", examples=[True])
    as_json: bool = Field(
        False,
        description="Both are JSON and equal as values: order of keys and spacing do not count.",
        examples=[True],
    )


class Judge(Model):
    """A model that scores answers."""

    endpoint: Annotated[str, Ref(("Endpoint",), is_input=True)] = Field(
        description="The endpoint that judges; any declared one.", examples=["Endpoint/judge"]
    )
    rubric: str = Field(
        min_length=1,
        description="What a good answer is, in words for the judge.",
        examples=["Polite, correct, and answers in the language of the question."],
    )
    scale: int = Field(
        5,
        ge=2,
        le=100,
        description="The judge says 1 (worst) to this; spread over 0-100 points. Not for pairs.",
        examples=[10],
    )
    pairwise: bool = Field(
        False,
        description="Compare with the baseline's answer instead, asked in both orders: better "
        "100, as good 50, worse 0 points. Where the orders disagree, the two are as good.",
        examples=[True],
    )
    parameters: Parameters = Field(
        default_factory=dict,
        description="Request parameters for the judge; default: temperature 0.",
        examples=[{"temperature": 0, "max_tokens": 300}],
    )


class SuiteDataset(Model):
    """One scored set of questions."""

    model_config = ConfigDict(json_schema_extra=schema_of(_QUESTIONS, more=_FITTING))

    name: str = Field(
        pattern=f"^{NAME_PATTERN}$", description="Name in reports.", examples=["paraphrases"]
    )
    file: Annotated[str | None, MANIFEST_PATH] = Field(
        None,
        min_length=1,
        description="JSONL or CSV, relative to this manifest: `messages` or `question` (or "
        "`prompt`, `input`), and `expected` (or `answer`, `label`); `choices` and `id` if wanted.",
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
        None,
        description="System prompt put before each question, in place of its own.",
        examples=["Answer in JSON."],
    )
    turns: Literal["last", "all"] = Field(
        "last",
        description="Of a conversation: its last answer is asked for and scored, or each, after "
        "the recorded turns before it.",
        examples=["all"],
    )
    limit: int | None = Field(
        None, gt=0, description="At most so many items, always the same ones.", examples=[200]
    )
    extract: Annotated[str, AfterValidator(sound_pattern)] | None = Field(
        None,
        min_length=1,
        description="Regular expression: what of an answer is scored, its first group where it "
        "has one. An answer without it scores 0.",
        examples=["ANSWER: *(.+)"],
    )
    compare: Compare | None = Field(
        None,
        description="Of exactMatch and includes: what does not count.",
        examples=[{"asJson": True}],
    )
    pattern: Annotated[str, AfterValidator(sound_pattern)] | None = Field(
        None,
        min_length=1,
        description="Of regex: what must be found in an answer; default: the item's expected.",
        examples=["(?i)refund"],
    )
    schema_: Annotated[dict[str, Any], AfterValidator(_sound_schema)] | None = Field(
        None,
        alias="schema",
        description="Of jsonSchema: the JSON Schema that answers must satisfy.",
        examples=[{"type": "object", "required": ["queue"]}],
    )
    tolerance: float | None = Field(
        None, ge=0, description="Of numeric: how far off a number may be.", examples=[0.01]
    )
    relative_tolerance: float | None = Field(
        None,
        ge=0,
        lt=1,
        description="Of numeric: how far off it may be as a share of what is expected.",
        examples=[0.02],
    )
    choices: Annotated[Many[str], NotEmpty()] | None = Field(
        None,
        description="Of multipleChoice: the choices of items that have none of their own.",
        examples=[["yes", "no"]],
    )
    partial_credit: bool = Field(
        False,
        description="Of toolCall: the share of arguments that are right counts, instead of all "
        "or nothing.",
        examples=[True],
    )
    judge: Judge | None = Field(
        None,
        description="Of judge: who judges, by what.",
        examples=[{"endpoint": "Endpoint/judge", "rubric": "Correct and polite."}],
    )
    parameters: Parameters = Field(
        default_factory=dict,
        description="Request parameters; default: temperature 0.",
        examples=[{"temperature": 0, "max_tokens": 200}],
    )

    _one = model_validator(mode="after")(checked(_QUESTIONS))

    @model_validator(mode="after")
    def _fits_its_method(self) -> SuiteDataset:
        given = self.model_dump(by_alias=True, exclude_defaults=True, exclude_none=True).keys()
        for name, methods in _METHODS.items():
            if name in given and self.method not in methods:
                why = f"takes {name} only with method {' or '.join(methods)}, not {self.method}"
                raise PydanticCustomError("method", "{why}", {"why": why})
        needed = _NEEDED.get(self.method)
        if needed and needed not in given:
            why = f"of method {self.method} needs {needed}"
            raise PydanticCustomError("method", "{why}", {"why": why})
        return self
