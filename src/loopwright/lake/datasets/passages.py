"""What was said in an exchange, as plain text: what cleaning compares, and nothing it trains on.

System messages are left out: all calls of an endpoint share them.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import orjson

from loopwright.lake.datasets.rendering import Exchange, Message

_INSTRUCTING = ("system", "developer")


def prompt_of(exchange: Exchange) -> str:
    """All that the answer answers."""
    asked = exchange.request["messages"]
    return "\n".join(said(one) for one in asked if one.get("role") not in _INSTRUCTING)


def answer_of(exchange: Exchange) -> str:
    return said(exchange.answer)


def questions_of(exchange: Exchange) -> Iterator[str]:
    """What the user said, message by message."""
    messages = exchange.request["messages"]
    return (said(message) for message in messages if message.get("role") == "user")


def other_words_of(exchange: Exchange) -> Iterator[str]:
    """What everybody else said: answers, tool results."""
    silent = ("user", *_INSTRUCTING)
    return (said(one) for one in exchange.messages if one.get("role") not in silent)


def said(message: Message) -> str:
    """The text of a message with its tool calls; what is not text is named by its digest."""
    content = message.get("content")
    parts = content if isinstance(content, list) else [content]
    calls = message.get("tool_calls")
    return "\n".join([*map(_text, parts), *map(_call, calls if isinstance(calls, list) else [])])


def _text(part: Any) -> str:
    if isinstance(part, str):
        return part
    if isinstance(part, dict) and isinstance(part.get("text"), str):
        return str(part["text"])
    return "" if part is None else sha256(orjson.dumps(part)).hexdigest()


def _call(call: Any) -> str:
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict):
        return ""
    return f"{function.get('name')} {function.get('arguments')}"
