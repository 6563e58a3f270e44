"""The filter of a Dataset: which recorded calls are in its population."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from loopwright.answer_schemas import problem_of
from loopwright.clock import from_text
from loopwright.resources.base import AnyOrder, Many, Model
from loopwright.resources.markers import Said

Outcome = Literal["ok", "cached", "filtered", "timeout", "client_abort", "upstream_error"]

_MOMENT = re.compile(
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"(T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(Z|[+-][0-9]{2}:[0-9]{2})?)?$"
)


def _moment(text: str) -> str:
    try:
        if not _MOMENT.match(text):
            raise ValueError(text)
        from_text(text)
    except ValueError as error:
        why = f"must be a date such as 2026-10-01 or 2026-10-01T08:00:00Z, but is {text!r}"
        raise PydanticCustomError("date", "{why}", {"why": why}) from error
    return text


Moment = Annotated[
    str,
    Said("date or time"),
    AfterValidator(_moment),
    Field(json_schema_extra={"pattern": _MOMENT.pattern}),
]


class TokenBounds(Model):
    """Least and most tokens, both inclusive."""

    min: int | None = Field(None, ge=0, description="At least as many.", examples=[8])
    max: int | None = Field(None, ge=0, description="At most as many.", examples=[4096])

    @model_validator(mode="after")
    def _in_order(self) -> TokenBounds:
        if self.min is not None and self.max is not None and self.min > self.max:
            raise PydanticCustomError("bounds", "matches no call: min is above max")
        return self


class Tokens(Model):
    """Bounds on the tokens of a call, as recorded; what is not known counts nothing."""

    input: TokenBounds | None = Field(
        None, description="Tokens of the prompt.", examples=[{"max": 4096}]
    )
    output: TokenBounds | None = Field(
        None, description="Tokens of the answer.", examples=[{"min": 1}]
    )
    total: TokenBounds | None = Field(None, description="Both together.", examples=[{"max": 8192}])


class FeedbackRule(Model):
    """What the newest feedback of a name must say; without a value: that there is some."""

    name: str = Field(min_length=1, description="Name of the feedback.", examples=["helpful"])
    at_least: float | None = Field(None, description="Of a score: no less.", examples=[0.8])
    at_most: float | None = Field(None, description="Of a score: no more.", examples=[0.2])
    equals: bool | float | str | None = Field(
        None, description="true or false, a score or a label.", examples=[True]
    )
    source: Literal["human", "app", "judge"] | None = Field(
        None, description="Who gave it; anybody by default.", examples=["human"]
    )

    @model_validator(mode="after")
    def _consistent(self) -> FeedbackRule:
        bounded = self.at_least is not None or self.at_most is not None
        if bounded and self.equals is not None:
            raise PydanticCustomError("feedback", "takes bounds or equals, not both")
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            raise PydanticCustomError("feedback", "matches no call: atLeast is above atMost")
        return self


def _json_schema(schema: dict[str, Any]) -> dict[str, Any]:
    if why := problem_of(schema):
        raise PydanticCustomError("json_schema", "{why}", {"why": why})
    return schema


class Filter(Model):
    """Which calls are in the population."""

    from_: Moment | None = Field(
        None,
        alias="from",
        description="First call date, inclusive (UTC).",
        examples=["2026-10-01"],
    )
    to: Moment | None = Field(
        None, description="End of the call dates, exclusive (UTC).", examples=["2026-11-01"]
    )
    model_versions: AnyOrder[str] = Field(
        (), description="Model versions as recorded.", examples=[["mini-2026-10"]]
    )
    endpoints: AnyOrder[str] = Field(
        (), description="Endpoint names as recorded.", examples=[["ticket-router"]]
    )
    outcomes: AnyOrder[Outcome] = Field(
        (),
        description="Outcomes as recorded. What cleaning.outcomes does not keep is left out later.",
        examples=[["ok", "cached"]],
    )
    tokens: Tokens | None = Field(
        None, description="Bounds on the recorded tokens.", examples=[{"output": {"min": 1}}]
    )
    tags: dict[str, str] | None = Field(
        None, description="Tags that a call must bear, all of them.", examples=[{"team": "blue"}]
    )
    feedback: Many[FeedbackRule] = Field(
        (),
        description="What feedback must say of a call, all of it.",
        examples=[[{"name": "helpful", "equals": True}]],
    )
    where: str | None = Field(
        None,
        min_length=1,
        description="SQL condition over the metadata columns.",
        examples=["input_tokens < 4000 AND NOT has_tools"],
    )
    response_schema: Annotated[dict[str, Any], AfterValidator(_json_schema)] | None = Field(
        None,
        description="JSON Schema that the answer must satisfy as JSON.",
        examples=[{"type": "object", "required": ["queue"]}],
    )

    @model_validator(mode="after")
    def _dates_in_order(self) -> Filter:
        if self.from_ and self.to and from_text(self.from_) >= from_text(self.to):
            raise PydanticCustomError(
                "date_order", "matches no call: from must be before to, which is exclusive"
            )
        return self
