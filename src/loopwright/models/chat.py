"""Messages as chat templates expect them: one shaping for training and for serving.

A template that sees a row in training must see the same at inference, or the tuned model is asked
in a language that it was not taught. The shaping is vLLM's: text parts are joined by newlines,
arguments of tool calls are objects, absent content is empty text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from loopwright.errors import ModelError

Message = Mapping[str, Any]
_BOOKKEEPING = ("loss_weight", "weight", "refusal", "index")


def template_messages(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """Messages of the OpenAI API for a text model's template.

    Raises ModelError on what such a template cannot say: images, sound, video, malformed calls.
    """
    return [_message(message) for message in messages]


def _message(message: Message) -> dict[str, Any]:
    shaped = {
        key: value
        for key, value in message.items()
        if value is not None and key not in _BOOKKEEPING
    }
    shaped["content"] = _text(message.get("content")) or message.get("refusal") or ""
    calls = message.get("tool_calls")
    if calls:
        if not isinstance(calls, list):
            raise ModelError("tool_calls is not a list")
        shaped["tool_calls"] = [_call(call) for call in calls]
    else:
        shaped.pop("tool_calls", None)
    return shaped


def _text(content: Any) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    if not isinstance(content, list):
        raise ModelError("content is neither text nor a list of parts")
    texts = [part.get("text") if isinstance(part, Mapping) else None for part in content]
    if not all(isinstance(text, str) for text in texts):
        raise ModelError(
            "content has parts that are not text", hint="text models take text parts only"
        )
    return "\n".join(text for text in texts if text is not None)


def _call(call: Any) -> dict[str, Any]:
    function = call.get("function") if isinstance(call, Mapping) else None
    if not isinstance(function, Mapping):
        raise ModelError("a tool call names no function")
    arguments = function.get("arguments")
    return {
        **{key: value for key, value in call.items() if key not in _BOOKKEEPING},
        "function": {**function, "arguments": _arguments(arguments)},
    }


def _arguments(arguments: Any) -> Any:
    """JSON text as the value it says; text that is no JSON stays as it is."""
    if arguments is None:
        return {}
    if isinstance(arguments, Mapping):
        return arguments
    if not isinstance(arguments, str):
        raise ModelError("the arguments of a tool call are neither an object nor its JSON text")
    try:
        return orjson.loads(arguments or "{}")
    except ValueError:
        return arguments
