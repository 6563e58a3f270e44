"""What makes a chat request and its completion sound: the checks that every shape ends with.

After them a call may be described and stored: messages with known roles, answers with content.
"""

from __future__ import annotations

from typing import Any

from loopwright.lake.shapes.base import BadLineError, Json

_ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})
_SAID = ("content", "tool_calls", "function_call", "refusal")


def check_bodies(request: Any, response: Any) -> None:
    """Raises BadLineError unless this is a chat request and its completion, or an error."""
    if not isinstance(request, dict) or not isinstance(response, dict):
        raise BadLineError("request and response must be objects")
    check_messages(request.get("messages"), "request.messages")
    if is_error(response):
        return
    choices = response.get("choices")
    if not isinstance(choices, list) or not choices:
        raise BadLineError("response.choices is not a list of choices")
    for number, choice in enumerate(choices):
        where = f"response.choices[{number}].message"
        if not isinstance(choice, dict) or not isinstance(choice.get("message"), dict):
            raise BadLineError(f"{where} is missing")
        check_answer(choice["message"], where)


def is_error(response: Json) -> bool:
    """Whether the response says that the call failed, and nothing else."""
    return (
        bool(response.get("error"))
        and isinstance(response["error"], dict)
        and ("choices" not in response)
    )


def check_messages(messages: Any, where: str) -> None:
    if not isinstance(messages, list) or not messages:
        raise BadLineError(f"{where} is not a list of messages")
    for number, message in enumerate(messages):
        role = message.get("role") if isinstance(message, dict) else None
        if not isinstance(role, str) or role not in _ROLES:
            raise BadLineError(f"{where}[{number}] is not a message with a known role")
        _check_content(message, f"{where}[{number}]")


def check_answer(message: Json, where: str) -> None:
    if message.get("role") != "assistant":
        raise BadLineError(f"{where} is not the assistant's")
    _check_content(message, where)
    if not has_said(message):
        raise BadLineError(f"{where} has neither content nor tool_calls")


def has_said(message: Json) -> bool:
    return any(message.get(name) for name in _SAID)


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


def _is_tool_call(call: Any) -> bool:
    function = call.get("function") if isinstance(call, dict) else None
    return (
        isinstance(function, dict)
        and isinstance(function.get("name"), str)
        and isinstance(function.get("arguments"), str)
    )
