"""Langfuse: observations as exported to blob storage, from the UI or by the API.

The blob storage writes names_with_underscores and the API camelCase; both are read. Observations
other than generations are no calls.
"""

from __future__ import annotations

from typing import Any

from loopwright.lake.shapes.base import BadLineError, Exchange, Json, NotACallError, Shape
from loopwright.lake.shapes.bodies import default, failure, request_from, response_from, usage_of
from loopwright.lake.shapes.fields import (
    between,
    count,
    first,
    instant,
    known,
    micro_dollars,
    table,
    text,
    word,
)
from loopwright.lake.shapes.messages import check_bodies, is_error

_TRACE = ("trace_id", "traceId")
_START = ("start_time", "startTime")
_FIRST_TOKEN = ("completion_start_time", "completionStartTime")
_MODEL = ("provided_model_name", "providedModelName", "model")
_USAGE = ("usage_details", "usageDetails", "usage")
_COST = ("total_cost", "totalCost", "calculatedTotalCost", "calculated_total_cost")


def _parse(line: Any) -> Exchange:
    if not isinstance(line, dict):
        raise BadLineError("not a JSON object")
    if line.get("type") != "GENERATION":
        raise NotACallError("observation other than a generation")
    request = _request(line)
    response = _response(line)
    check_bodies(request, response)
    start = instant(first(line, _START))
    return Exchange(
        request=request,
        response=response,
        ts=start,
        endpoint=None,
        subject=text(request.get("user")),
        session_id=text(first(line, ("session_id", "sessionId"))),
        columns=known(
            outcome="upstream_error" if _failed(line) else None,
            client_request_id=word(line.get("id")),
            trace_id=word(first(line, _TRACE)),
            latency_ms=between(start, instant(text(first(line, ("end_time", "endTime"))))),
            ttft_ms=between(start, instant(text(first(line, _FIRST_TOKEN)))),
            cost_micro_usd=micro_dollars(first(line, _COST)),
        ),
    )


def _request(line: Json) -> dict[str, Any]:
    request = request_from(line.get("input"))
    _take_tools(request)
    default(request, {"model": text(first(line, _MODEL))})
    default(request, {"user": text(first(line, ("user_id", "userId")))})
    default(request, table(first(line, ("model_parameters", "modelParameters"))))
    noted = {name: value for name, value in table(line.get("metadata")).items() if text(value)}
    default(request, {"metadata": noted or None})
    return request


def _take_tools(request: dict[str, Any]) -> None:
    """Langfuse's LangChain callback writes the declared tools as messages after the others."""
    messages = request["messages"]
    if declared := [message["content"] for message in messages if _declares(message)]:
        request["messages"] = [message for message in messages if not _declares(message)]
        default(request, {"tools": declared})


def _declares(message: Any) -> bool:
    return (
        isinstance(message, dict)
        and message.get("role") == "tool"
        and isinstance(message.get("content"), dict)
    )


def _response(line: Json) -> dict[str, Any]:
    if _failed(line) and not line.get("output"):
        return failure(message=text(first(line, ("status_message", "statusMessage"))))
    response = response_from(line.get("output"))
    if not is_error(response):
        default(response, {"model": text(first(line, _MODEL)), "usage": _usage(line)})
    return response


def _failed(line: Json) -> bool:
    return line.get("level") == "ERROR"


def _usage(line: Json) -> dict[str, Any] | None:
    """Langfuse splits the kinds of tokens: all whose names tell of input are input."""
    given = table(first(line, _USAGE))
    counts = {name: found for name, value in given.items() if (found := count(value)) is not None}

    def sum_of(*words: str) -> int | None:
        fitting = [[value for name, value in counts.items() if word in name] for word in words]
        return next((sum(values) for values in fitting if values), None)

    return usage_of(
        prompt=sum_of("input", "prompt"),
        completion=sum_of("output", "completion"),
        cached=sum_of("cached", "cache_read") or 0,
        reasoning=sum_of("reasoning") or 0,
    )


def _bears(line: Json) -> bool:
    return (
        "type" in line
        and any(name in line for name in _TRACE)
        and (any(name in line for name in _START))
    )


SHAPE = Shape(
    name="langfuse",
    marks=frozenset({"type", *_TRACE, *_START, "input", "output"}),
    bears=_bears,
    parse=_parse,
)
