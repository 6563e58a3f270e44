"""Lines of a batch: in OpenAI's and Ark's batch formats, as messages alone, or as recorded calls.

What each comes to is one request. What is wrong with a line is said, and keeps no other from
being asked.
"""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

CHAT = "chat/completions"
_COMPLETION = "completions"
_EMBEDDINGS = "embeddings"
_PATHS = (CHAT, _COMPLETION, _EMBEDDINGS)
_NEEDED = {CHAT: "messages", _COMPLETION: "prompt", _EMBEDDINGS: "input"}
_OPERATIONS = {"chat": CHAT, "completion": _COMPLETION, "embeddings": _EMBEDDINGS}
_ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})
_FOR_TRAINING = frozenset({"loss_weight", "weight"})
_STREAMED = frozenset({"stream", "stream_options"})
_LONGEST_ID = 512


@dataclass(frozen=True, slots=True)
class Request:
    """What one line asks for."""

    custom_id: str
    """By which its writer knows it; unique in a batch."""
    path: str
    """Under the server's url, e.g. `chat/completions`."""
    body: Mapping[str, Any]


class BadLineError(ValueError):
    """Why a line cannot be asked, and the id that it gave itself, if any."""

    def __init__(self, reason: str, custom_id: str = "") -> None:
        super().__init__(reason)
        self.reason, self.custom_id = reason, custom_id


def read_line(data: bytes, *, named: str) -> Request:
    """The request of a line; one without an id is called `named`. Raises BadLineError."""
    line = _object(data)
    for key, read in _FORMS.items():
        if key in line:
            return _checked(read(line, named))
    raise BadLineError("holds none of body, messages and request")


def _object(data: bytes) -> Mapping[str, Any]:
    try:
        line = orjson.loads(data.removeprefix(BOM_UTF8))
    except orjson.JSONDecodeError as error:
        raise BadLineError(f"is not JSON: {error}") from None
    if not isinstance(line, dict):
        raise BadLineError("is not a JSON object")
    return line


def _batch_line(line: Mapping[str, Any], named: str) -> Request:
    """`{"custom_id", "method", "url", "body"}`; Ark's has neither method nor url."""
    del named
    custom_id = _custom_id(line)
    if str(line.get("method", "POST")).upper() != "POST":
        raise BadLineError(f"has method {line['method']!r}; only POST asks a model", custom_id)
    url = line.get("url", f"/v1/{CHAT}")
    path = url.removeprefix("/").removeprefix("v1/") if isinstance(url, str) else ""
    if path not in _PATHS:
        known = ", ".join(f"/v1/{one}" for one in _PATHS)
        raise BadLineError(f"has url {url!r}; there are {known}", custom_id)
    return Request(custom_id, path, _body(line["body"], custom_id))


def _messages_line(line: Mapping[str, Any], named: str) -> Request:
    """A line of training data or the like: its last answer is what a model is asked for."""
    custom_id = _custom_id(line) if "custom_id" in line else named
    body = {name: value for name, value in line.items() if name != "custom_id"}
    if isinstance(messages := body["messages"], list):
        answered = messages and isinstance(messages[-1], dict)
        if answered and messages[-1].get("role") == "assistant":
            messages = messages[:-1]
        body["messages"] = [_untrained(message) for message in messages]
    return Request(custom_id, CHAT, body)


def _recorded_line(line: Mapping[str, Any], named: str) -> Request:
    """A call as a lake has it: `request` is the body, as an object or as its text."""
    custom_id = str(line.get("call_id") or named)
    request = line["request"]
    if isinstance(request, str):
        try:
            request = orjson.loads(request)
        except orjson.JSONDecodeError:
            raise BadLineError("has a request that is not JSON", custom_id) from None
    path = _OPERATIONS.get(str(line.get("operation", "chat")))
    if path is None:
        told = f"is a call of {line['operation']}, which is no question to a model"
        raise BadLineError(told, custom_id)
    return Request(custom_id, path, _body(request, custom_id))


_FORMS: Mapping[str, Callable[[Mapping[str, Any], str], Request]] = {
    "body": _batch_line,
    "messages": _messages_line,
    "request": _recorded_line,
}


def _custom_id(line: Mapping[str, Any]) -> str:
    custom_id = line.get("custom_id")
    if not isinstance(custom_id, str) or not custom_id:
        raise BadLineError("has no custom_id, a text that tells it from the others")
    if len(custom_id) > _LONGEST_ID:
        raise BadLineError(f"has a custom_id of {len(custom_id):,} characters, over {_LONGEST_ID}")
    return custom_id


def _body(body: object, custom_id: str) -> Mapping[str, Any]:
    if not isinstance(body, dict):
        raise BadLineError("has a body that is not an object", custom_id)
    return body


def _checked(request: Request) -> Request:
    """The request without what only a stream or training needs. Raises BadLineError."""
    needed, body = _NEEDED[request.path], request.body
    if not body.get(needed):
        raise BadLineError(f"has no {needed}", request.custom_id)
    if needed == "messages":
        _check_messages(body["messages"], request.custom_id)
    kept = {name: value for name, value in body.items() if name not in _STREAMED}
    return Request(request.custom_id, request.path, kept)


def _check_messages(messages: object, custom_id: str) -> None:
    if not isinstance(messages, list):
        raise BadLineError("has messages that are not a list", custom_id)
    for number, message in enumerate(messages, start=1):
        role = message.get("role") if isinstance(message, dict) else None
        if role not in _ROLES:
            raise BadLineError(f"has a message {number} of no known role", custom_id)


def _untrained(message: object) -> object:
    if not isinstance(message, dict) or not _FOR_TRAINING & message.keys():
        return message
    return {name: value for name, value in message.items() if name not in _FOR_TRAINING}
