"""One recorded call, and the two line shapes in which recorders write it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from dice import Dice

Message = dict[str, Any]

FIRST_DAY = int(datetime(2026, 9, 21, tzinfo=UTC).timestamp())  # a Monday
DAYS = 21
WEEK = (11, 11, 10, 10, 9, 6, 5)  # calls by weekday, Monday first
HOLIDAY = range(10, 17)  # 1 to 7 October: China's national holiday, half the Chinese calls
HOURS = (1, 1, 0, 0, 1, 1, 3, 5, 9, 12, 12, 11, 8, 9, 11, 11, 10, 9, 7, 6, 6, 5, 3, 2)
ZONES = {"zh": (8,), "en": (1, 1, 2, 2, 8)}  # hours ahead of UTC
DAY = 86_400


@dataclass(frozen=True)
class Call:
    """`reply` is the assistant's message, or None when the provider answered with `error`."""

    endpoint: str
    model: str  # as asked for
    served_by: str  # as answered
    messages: tuple[Message, ...]
    reply: Message | None
    at: int  # Unix seconds
    user: str
    session: str | None = None
    tools: tuple[dict[str, Any], ...] = ()
    params: dict[str, Any] = field(default_factory=dict)
    finish: str = "stop"
    error: dict[str, str] | None = None


def moment(dice: Dice, language: str) -> int:
    """A Unix time in the three weeks, by weekday, holiday and local hour."""
    weights = {str(day): WEEK[day % 7] * 2 for day in range(DAYS)}
    if language == "zh":
        weights |= {str(day): WEEK[day % 7] for day in HOLIDAY}
    day = int(dice.weighted(weights))
    hour = int(dice.weighted({str(h): weight for h, weight in enumerate(HOURS)}))
    local = day * DAY + hour * 3600 + dice.below(3600)
    return FIRST_DAY + (local - dice.pick(ZONES[language]) * 3600) % (DAYS * DAY)


def tokens(text: str) -> int:
    """A stated estimate: four ASCII characters or one and a half others a token."""
    ascii_count = sum(char.isascii() for char in text)
    return 1 + ascii_count // 4 + (len(text) - ascii_count) * 2 // 3


def as_line(dice: Dice, call: Call) -> str:
    """The call as one JSON line; what only the second shape can say is written in it."""
    plain = call.error is None and call.finish != "length" and dice.chance(0.6)
    record = _messages_shape(call) if plain else _exchange_shape(dice, call)
    return json.dumps(record, ensure_ascii=False, separators=(",", ":"))


def _usage(call: Call) -> dict[str, int]:
    prompt = sum(4 + tokens(_spoken(message)) for message in call.messages)
    prompt += tokens(json.dumps(call.tools)) if call.tools else 0
    completion = tokens(_spoken(call.reply or {}))
    total = prompt + completion
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total}


def _spoken(message: Message) -> str:
    called = [one["function"]["arguments"] for one in message.get("tool_calls", ())]
    return (message.get("content") or "") + " ".join(called)


def _messages_shape(call: Call) -> dict[str, Any]:
    record: dict[str, Any] = {"endpoint": call.endpoint, "model": call.served_by}
    record |= {"created": call.at, "user": call.user}
    if call.session:
        record["metadata"] = {"session_id": call.session}
    record["messages"] = [*call.messages, call.reply]
    if call.tools:
        record["tools"] = list(call.tools)
    return record | {"usage": _usage(call)}


def _exchange_shape(dice: Dice, call: Call) -> dict[str, Any]:
    request = {"model": call.model, "messages": list(call.messages), **call.params}
    if call.tools:
        request["tools"] = list(call.tools)
    if call.session:
        request["metadata"] = {"session_id": call.session}
    if call.error is not None:
        response: dict[str, Any] = {"error": call.error}
    else:
        choice = {"index": 0, "message": call.reply, "finish_reason": call.finish}
        response = {
            "id": f"chatcmpl-{dice.hex(12)}",
            "object": "chat.completion",
            "created": call.at,
            "model": call.served_by,
            "choices": [choice],
            "usage": _usage(call),
        }
    return {
        "timestamp": call.at,
        "endpoint": call.endpoint,
        "client_id": call.user,
        "request": request,
        "response": response,
    }
