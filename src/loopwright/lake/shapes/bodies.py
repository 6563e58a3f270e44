"""What logs keep as input and output, brought to a chat request and a completion.

Logs write the same thing in several ways: a whole body or its messages, a completion, a message or
the bare answer, as JSON or as JSON text. Nothing is made up: other forms are refused.
"""

from __future__ import annotations

from typing import Any

from loopwright.lake.shapes.base import Json, NotACallError
from loopwright.lake.shapes.blocks import ToolCall, arguments
from loopwright.lake.shapes.fields import decoded
from loopwright.lake.shapes.messages import has_said

_UNWRAPPED = "input that is no chat request"
_NO_ANSWER = "output that is no answer"


def request_from(value: Any) -> dict[str, Any]:
    """A request of a body, of its messages, or of one prompt. Raises NotACallError."""
    found = decoded(value)
    if isinstance(found, list):
        found = {"messages": found}
    elif isinstance(found, str) and found:
        found = {"messages": [{"role": "user", "content": found}]}
    if not isinstance(found, dict) or not isinstance(found.get("messages"), list):
        raise NotACallError(_UNWRAPPED)
    return found | {"messages": [_usual(message) for message in found["messages"]]}


def response_from(value: Any) -> dict[str, Any]:
    """A completion of a completion, of its message, or of the answer's text.

    Raises NotACallError.
    """
    found = decoded(value)
    if isinstance(found, list) and len(found) == 1:
        found = found[0]
    if isinstance(found, str) and found:
        return completion({"role": "assistant", "content": found})
    if not isinstance(found, dict):
        raise NotACallError(_NO_ANSWER)
    if "choices" in found or "error" in found:
        return dict(found)
    if found.get("role", "assistant") != "assistant" or not has_said(found):
        raise NotACallError(_NO_ANSWER)
    return completion({"role": "assistant", **_usual(found)})


def _usual(message: Any) -> Any:
    """The message, its tool calls as functions with arguments; LangChain writes name and args."""
    calls = message.get("tool_calls") if isinstance(message, dict) else None
    if not isinstance(calls, list):
        return message
    return {**message, "tool_calls": [_usual_call(call) for call in calls]}


def _usual_call(call: Any) -> Any:
    if not isinstance(call, dict) or "args" not in call or "function" in call:
        return call
    return ToolCall(call.get("id"), call.get("name"), arguments(call["args"])).as_json()


def completion(message: Json, *, finish_reason: str | None = None) -> dict[str, Any]:
    """A completion of one answer; why it ended follows from what it is, unless said."""
    usual = "tool_calls" if message.get("tool_calls") else "stop"
    choice = {"index": 0, "message": message, "finish_reason": finish_reason or usual}
    return {"object": "chat.completion", "choices": [choice]}


def failure(
    *, type: str | None = None, code: Any = None, message: str | None = None
) -> dict[str, Any]:
    """A response that says how the call failed."""
    said = {"type": type, "code": code, "message": message}
    found = {name: value for name, value in said.items() if value is not None}
    return {"error": found or {"message": "the call failed; the log does not say how"}}


def default(body: dict[str, Any], values: Json) -> None:
    """Put values where the body says nothing."""
    for name, value in values.items():
        if value is not None and body.get(name) is None:
            body[name] = value


def usage_apart(
    *, fresh: int | None, completion: int | None, cached: int | None, written: int | None
) -> dict[str, Any] | None:
    """Token counts of a service that counts cached input apart; a completion counts it in."""
    prompt = None if fresh is None else fresh + (cached or 0) + (written or 0)
    return usage_of(prompt=prompt, completion=completion, cached=cached or 0)


def usage_of(
    *, prompt: int | None, completion: int | None, cached: int = 0, reasoning: int = 0
) -> dict[str, Any] | None:
    """Token counts as a completion tells them; `prompt` includes `cached`."""
    if prompt is None or completion is None:
        return None
    usage: dict[str, Any] = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }
    if cached:
        usage["prompt_tokens_details"] = {"cached_tokens": cached}
    if reasoning:
        usage["completion_tokens_details"] = {"reasoning_tokens": reasoning}
    return usage
