"""OpenAI stored chat completions, each with the messages that belong to it.

The API gives a completion and its messages apart: a line is the completion as it was listed, with
the list of its messages (or the page that the API gave) under `messages`.
"""

from __future__ import annotations

from typing import Any

from loopwright.lake.shapes.base import BadLineError, Exchange, Json, NotACallError, Shape
from loopwright.lake.shapes.bodies import default
from loopwright.lake.shapes.fields import instant, known, text, word
from loopwright.lake.shapes.messages import check_bodies

_COMPLETION = ("id", "object", "created", "model", "choices", "usage", "service_tier")
_FINGERPRINT = "system_fingerprint"
_NOT_REQUEST = frozenset({*_COMPLETION, _FINGERPRINT, "messages", "request_id", "input_user"})


def _parse(line: Any) -> Exchange:
    if not isinstance(line, dict):
        raise BadLineError("not a JSON object")
    response = {name: line[name] for name in (*_COMPLETION, _FINGERPRINT) if name in line}
    request = _request(line)
    check_bodies(request, response)
    return Exchange(
        request=request,
        response=response,
        ts=instant(line.get("created")),
        endpoint=None,
        subject=text(request.get("user")),
        session_id=None,
        columns=known(client_request_id=word(line.get("request_id")), provider="openai"),
    )


def _request(line: Json) -> dict[str, Any]:
    """What the completion repeats of its request, and the messages."""
    body = {"messages": _messages(line)}
    default(body, {"model": text(line.get("model")), "user": text(line.get("input_user"))})
    repeated = {name: value for name, value in line.items() if name not in _NOT_REQUEST}
    default(body, {name: value for name, value in repeated.items() if value not in ({}, [])})
    return body


def _messages(line: Json) -> list[Any]:
    given = line.get("messages")
    if isinstance(given, dict):
        given = given.get("data")
    if not isinstance(given, list) or not given:
        raise NotACallError("completion without its messages")
    messages = [_message(message) for message in given]
    return messages[:-1] if len(messages) > 1 and _is_answer(messages[-1], line) else messages


def _message(message: Any) -> Any:
    """Without the id that the store gave it, and without what it does not say."""
    if not isinstance(message, dict):
        return message
    said = {name: value for name, value in message.items() if value is not None and name != "id"}
    parts = said.pop("content_parts", None)
    return said | {"content": parts} if isinstance(parts, list) and parts else said


def _is_answer(message: Any, line: Json) -> bool:
    """Whether the list goes on to the answer, which the completion holds already."""
    if not isinstance(message, dict) or message.get("role") != "assistant":
        return False
    choices = line.get("choices")
    answers = choices if isinstance(choices, list) else []
    return any(
        isinstance(choice, dict)
        and isinstance(choice.get("message"), dict)
        and choice["message"].get("content") == message.get("content")
        for choice in answers
    )


def _bears(line: Json) -> bool:
    return line.get("object") == "chat.completion" and "choices" in line


SHAPE = Shape(
    name="openai-stored",
    marks=frozenset({"object", "choices", "created", "messages", "request_id"}),
    bears=_bears,
    parse=_parse,
)
