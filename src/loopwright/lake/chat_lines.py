"""The two usual shapes of a recorded chat exchange in JSONL, checked and brought to one.

`{"messages": [..., the answer], "model"?, ...}` and `{"request": body, "response": completion,
"timestamp"?, ...}` are told apart by their keys. What does not hold together is refused with a
reason that never quotes the text. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from loopwright.clock import from_text
from loopwright.lake.partitions import endpoint_fits

Json = Mapping[str, Any]

_ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})
_NOT_REQUEST = frozenset(
    {"messages", "created", "timestamp", "usage", "endpoint", "session_id", "client_id", "id"}
    | {"finish_reason"}
)
_LAST_SECOND = 7_258_118_400  # the year 2200: later numbers are milliseconds or mistakes


class BadLineError(ValueError):
    """The line is no exchange; the reason is short and holds nothing of the text."""


class Exchange(NamedTuple):
    """One recorded exchange: the two bodies, and what the line says beside them.

    `ts` is in microseconds since the epoch.
    """

    request: dict[str, Any]
    response: dict[str, Any]
    ts: int | None
    endpoint: str | None
    subject: str | None
    session_id: str | None


def parse(line: Any) -> Exchange:
    """Raises BadLineError."""
    if not isinstance(line, dict):
        raise BadLineError("not a JSON object")
    pair = "request" in line and "response" in line
    if pair == ("messages" in line):
        raise BadLineError(
            "both messages and request and response"
            if pair
            else "neither messages nor request and response"
        )
    request, response = _bodies_of_pair(line) if pair else _bodies_of_conversation(line)
    subject = _subject(line, request)
    if subject is not None:
        request.setdefault("user", subject)  # kept with the text, where an erasure finds it
    return Exchange(
        request=request,
        response=response,
        ts=_moment(line, response),
        endpoint=_endpoint(line),
        subject=subject,
        session_id=_optional_text(line, "session_id"),
    )


def _bodies_of_pair(line: Json) -> tuple[dict[str, Any], dict[str, Any]]:
    request, response = line["request"], line["response"]
    if not isinstance(request, dict) or not isinstance(response, dict):
        raise BadLineError("request and response must be objects")
    _check_messages(request.get("messages"), "request.messages")
    if isinstance(response.get("error"), dict) and "choices" not in response:
        return dict(request), response
    choices = response.get("choices")
    if not isinstance(choices, list) or not choices:
        raise BadLineError("response.choices is not a list of choices")
    for number, choice in enumerate(choices):
        where = f"response.choices[{number}].message"
        if not isinstance(choice, dict) or not isinstance(choice.get("message"), dict):
            raise BadLineError(f"{where} is missing")
        _check_answer(choice["message"], where)
    return dict(request), response


def _bodies_of_conversation(line: Json) -> tuple[dict[str, Any], dict[str, Any]]:
    messages = line["messages"]
    _check_messages(messages, "messages")
    answer = messages[-1]
    if answer["role"] != "assistant":
        raise BadLineError("the last message is not the assistant's")
    _check_answer(answer, "the last message")
    if len(messages) == 1:
        raise BadLineError("messages has an answer and nothing before it")
    request = {
        "messages": messages[:-1],
        **{name: value for name, value in line.items() if name not in _NOT_REQUEST},
    }
    reason = "tool_calls" if answer.get("tool_calls") else "stop"
    choice = {"index": 0, "message": answer, "finish_reason": line.get("finish_reason") or reason}
    kept = {name: line[name] for name in ("id", "created", "model", "usage") if name in line}
    return request, {"object": "chat.completion", **kept, "choices": [choice]}


def _check_messages(messages: Any, where: str) -> None:
    if not isinstance(messages, list) or not messages:
        raise BadLineError(f"{where} is not a list of messages")
    for number, message in enumerate(messages):
        if not isinstance(message, dict) or message.get("role") not in _ROLES:
            raise BadLineError(f"{where}[{number}] is not a message with a known role")
        _check_content(message, f"{where}[{number}]")


def _check_content(message: Json, where: str) -> None:
    content = message.get("content")
    if isinstance(content, list):
        if not all(isinstance(part, dict) for part in content):
            raise BadLineError(f"{where}.content has a part that is not an object")
    elif content is not None and not isinstance(content, str):
        raise BadLineError(f"{where}.content is neither text nor parts")
    calls = message.get("tool_calls")
    if calls is not None and not (isinstance(calls, list) and all(map(_is_tool_call, calls))):
        raise BadLineError(f"{where}.tool_calls is not a list of function calls")


def _check_answer(message: Json, where: str) -> None:
    if message.get("role") != "assistant":
        raise BadLineError(f"{where} is not the assistant's")
    _check_content(message, where)
    if not any(message.get(name) for name in ("content", "tool_calls", "function_call", "refusal")):
        raise BadLineError(f"{where} has neither content nor tool_calls")


def _is_tool_call(call: Any) -> bool:
    function = call.get("function") if isinstance(call, dict) else None
    return (
        isinstance(function, dict)
        and isinstance(function.get("name"), str)
        and isinstance(function.get("arguments"), str)
    )


def _moment(line: Json, response: Json) -> int | None:
    value = line.get("timestamp")
    if value is None:
        value = line.get("created")
    if value is None:
        value = response.get("created")
    if value is None:
        return None
    if isinstance(value, str):
        return _from_text(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise BadLineError("the time is neither a number nor RFC 3339")
    return _in_range(value if value < _LAST_SECOND else value / 1000)


def _from_text(value: str) -> int:
    try:
        return _in_range(from_text(value).timestamp())
    except (ValueError, OverflowError) as error:
        if isinstance(error, BadLineError):
            raise
        raise BadLineError("the time is neither a number nor RFC 3339") from error


def _in_range(seconds: float) -> int:
    """Microseconds, whole. Also refuses what is not a number."""
    if not 0 <= seconds < _LAST_SECOND:
        raise BadLineError("the time lies outside the years 1970 to 2200")
    return round(seconds * 1_000_000)


def _endpoint(line: Json) -> str | None:
    endpoint = _optional_text(line, "endpoint")
    if endpoint is not None and not endpoint_fits(endpoint):
        raise BadLineError("endpoint is empty or too long")
    return endpoint


def _subject(line: Json, request: Json) -> str | None:
    """The end user: what the body says, else what the line says."""
    return _optional_text(request, "user") or _optional_text(line, "client_id")


def _optional_text(where: Json, name: str) -> str | None:
    value = where.get(name)
    if value is not None and not isinstance(value, str):
        raise BadLineError(f"{name} is not text")
    return value
