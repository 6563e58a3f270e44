"""The two usual shapes of a recorded chat exchange, checked and brought to one.

`{"messages": [..., the answer], "model"?, ...}` and `{"request": body, "response": completion,
"timestamp"?, ...}` are told apart by their keys.
"""

from __future__ import annotations

from typing import Any

from loopwright.lake.shapes.base import BadLineError, Exchange, Json, Shape
from loopwright.lake.shapes.fields import instant, optional_endpoint, optional_text
from loopwright.lake.shapes.messages import check_answer, check_bodies, check_messages

_NOT_REQUEST = frozenset(
    {"messages", "created", "timestamp", "usage", "endpoint", "session_id", "client_id", "id"}
    | {"finish_reason"}
)


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
    request, response = bodies_of_pair(line) if pair else bodies_of_conversation(line)
    subject = _subject(line, request)
    if subject is not None:
        request.setdefault("user", subject)  # kept with the text, where an erasure finds it
    return Exchange(
        request=request,
        response=response,
        ts=_moment(line, response),
        endpoint=optional_endpoint(line, "endpoint"),
        subject=subject,
        session_id=optional_text(line, "session_id"),
    )


def bodies_of_pair(line: Json) -> tuple[dict[str, Any], dict[str, Any]]:
    """Raises BadLineError."""
    request, response = line["request"], line["response"]
    check_bodies(request, response)
    return dict(request), response


def bodies_of_conversation(line: Json) -> tuple[dict[str, Any], dict[str, Any]]:
    """The messages but the last are the request's, the last is the answer. Raises BadLineError."""
    messages = line["messages"]
    check_messages(messages, "messages")
    answer = messages[-1]
    if answer["role"] != "assistant":
        raise BadLineError("the last message is not the assistant's")
    check_answer(answer, "the last message")
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


def _moment(line: Json, response: Json) -> int | None:
    value = line.get("timestamp")
    if value is None:
        value = line.get("created")
    if value is None:
        value = response.get("created")
    return instant(value)


def _subject(line: Json, request: Json) -> str | None:
    """The end user: what the body says, else what the line says."""
    return optional_text(request, "user") or optional_text(line, "client_id")


def _bears(line: Json) -> bool:
    return "messages" in line or ("request" in line and "response" in line)


SHAPE = Shape(
    name="openai-chat",
    marks=frozenset({"messages", "request", "response"}),
    bears=_bears,
    parse=parse,
)
