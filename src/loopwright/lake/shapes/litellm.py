"""LiteLLM: rows of the spend logs, and the standard logging payload of its callbacks.

Prompts are in the rows only where LiteLLM was told to store them, and long ones are cut there:
such rows are no calls, since half a text would train a model on half a text.
"""

from __future__ import annotations

from typing import Any

import orjson

from loopwright.lake.shapes.base import BadLineError, Exchange, Json, NotACallError, Shape
from loopwright.lake.shapes.bodies import default, failure, request_from, response_from, usage_of
from loopwright.lake.shapes.fields import (
    between,
    count,
    decoded,
    first,
    instant,
    known,
    micro_dollars,
    status_code,
    table,
    text,
    word,
)
from loopwright.lake.shapes.messages import check_bodies, is_error

_CUT = b"(litellm_truncated"
_OWN_KEYS = frozenset({"litellm_metadata", "secret_fields", "proxy_server_request"})


def _parse(line: Any) -> Exchange:
    if not isinstance(line, dict):
        raise BadLineError("not a JSON object")
    request, response = _request(line), _response(line)
    _check_whole(request, response)
    check_bodies(request, response)
    start = instant(line.get("startTime"))
    return Exchange(
        request=request,
        response=response,
        ts=start,
        endpoint=None,
        subject=text(request.get("user")),
        session_id=text(line.get("session_id")),
        columns=known(
            client_request_id=word(first(line, ("request_id", "id"))),
            trace_id=word(line.get("trace_id")),
            provider=word(line.get("custom_llm_provider")),
            latency_ms=between(start, instant(line.get("endTime"))),
            ttft_ms=_first_token(line, start),
            cost_micro_usd=micro_dollars(first(line, ("spend", "response_cost"))),
        ),
    )


def _request(line: Json) -> dict[str, Any]:
    """The proxy keeps the body apart from the `messages` column, which is mostly empty."""
    body = table(line.get("proxy_server_request"))
    found = body if body.get("messages") else decoded(line.get("messages"))
    if not found:
        raise NotACallError("prompt not stored")
    request = {name: value for name, value in request_from(found).items() if name not in _OWN_KEYS}
    default(request, {"model": text(line.get("model_group")) or text(line.get("model"))})
    default(request, {"user": text(line.get("end_user"))})
    default(request, table(line.get("model_parameters")))
    return request


def _response(line: Json) -> dict[str, Any]:
    if line.get("status") == "failure":
        return _failure(line)
    found = decoded(line.get("response"))
    if not found:
        raise NotACallError("response not stored")
    response = response_from(found)
    if not is_error(response):
        default(response, {"model": text(line.get("model")), "usage": _usage(line)})
    return response


def _failure(line: Json) -> dict[str, Any]:
    told = table(line.get("error_information")) or table(
        table(line.get("metadata")).get("error_information")
    )
    return failure(
        type=text(told.get("error_class")),
        code=status_code(told.get("error_code")),
        message=text(told.get("error_message")) or text(line.get("error_str")),
    )


def _usage(line: Json) -> dict[str, Any] | None:
    return usage_of(
        prompt=count(line.get("prompt_tokens")), completion=count(line.get("completion_tokens"))
    )


def _first_token(line: Json, start: int | None) -> int | None:
    """Of a call that was not streamed, LiteLLM gives the end as the first token's time."""
    moment = line.get("completionStartTime")
    return None if moment == line.get("endTime") else between(start, instant(moment))


def _check_whole(request: Json, response: Json) -> None:
    if _CUT in orjson.dumps((request, response)):
        raise NotACallError("text cut short by LiteLLM")


def _bears(line: Json) -> bool:
    return "call_type" in line and "startTime" in line


SHAPE = Shape(
    name="litellm",
    marks=frozenset({"call_type", "startTime", "endTime", "request_id", "spend", "messages"}),
    bears=_bears,
    parse=_parse,
)
