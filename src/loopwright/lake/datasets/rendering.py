"""One recorded call -> one training line, or the reason why the line format cannot say it.

Nothing is bent to fit: no role is renamed, no key with content is left out, no text is joined.
Absent, null and empty are the same. Free-form parts (tool definitions, content parts) keep their
own key order, since chat templates print them as they come; all other keys have a fixed order, so
that equal calls give equal bytes on every machine.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from loopwright.lake.datasets.reasons import DropReason
from loopwright.lake.datasets.recipe import LineFormat
from loopwright.lake.datasets.sft_schemas import line_check

RENDERER = "sft-1"

Message = Mapping[str, Any]
_SUBJECT_KEYS = ("user", "safety_identifier")
_WEIGHT_KEYS = ("loss_weight", "weight")
_REASONING_KEYS = ("reasoning_content", "reasoning")


class Unsayable(Exception):
    """This call is not a line of the target format."""

    def __init__(self, reason: DropReason) -> None:
        super().__init__(reason.meaning)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Exchange:
    """A chat request and the message that answered it (`choices[0].message`)."""

    request: Mapping[str, Any]
    answer: Message

    @classmethod
    def parse(cls, request: str, response: str) -> Exchange:
        """Read the recorded JSON. Raises Unsayable."""
        try:
            body = orjson.loads(request)
            answer = orjson.loads(response)["choices"][0]["message"]
            spoken = body["messages"]
        except (ValueError, KeyError, IndexError, TypeError) as error:
            raise Unsayable(DropReason.UNREADABLE) from error
        if not _all_objects([body, answer]) or not isinstance(spoken, list):
            raise Unsayable(DropReason.UNREADABLE)
        if not spoken or not _all_objects(spoken):
            raise Unsayable(DropReason.UNREADABLE)
        return cls(body, answer)

    @property
    def messages(self) -> list[Message]:
        """The conversation with the answer last; an answer is an assistant's by its place."""
        return [*self.request["messages"], {"role": "assistant", **self.answer}]

    @property
    def subject(self) -> str | None:
        """The end user as the client named it, where it did."""
        named = (self.request.get(key) for key in _SUBJECT_KEYS)
        return next((value for value in named if isinstance(value, str) and value), None)


def render(exchange: Exchange, line_format: LineFormat) -> bytes:
    """The line without its newline, valid in its format. Raises Unsayable with the reason."""
    line = _RENDERERS[line_format](exchange)
    if not line_check(line_format)(line):
        raise Unsayable(DropReason.LINE_SCHEMA)
    return orjson.dumps(line)


def _openai_line(exchange: Exchange) -> dict[str, Any]:
    messages = exchange.messages
    _check_answer(messages[-1])
    _check_tool_flow(messages, in_order=False)
    return _line(exchange.request, [_openai_message(message) for message in messages])


def _openai_message(message: Message) -> dict[str, Any]:
    line = _opened(message, parts_of=("system", "user", "assistant", "tool"))
    if any(message.get(key) for key in _REASONING_KEYS):
        raise Unsayable(DropReason.REASONING)
    _only_known(message, ("name", "refusal", "tool_calls", "tool_call_id", *_REASONING_KEYS))
    for key in ("name", "refusal", "tool_call_id"):
        if message.get(key):
            line[key] = message[key]
    if message.get("tool_calls"):
        line["tool_calls"] = [
            {"id": call.get("id"), **_function_call(call)} for call in message["tool_calls"]
        ]
    weight = _weight(message)
    if weight is not None:
        if weight not in (0, 1):
            raise Unsayable(DropReason.WEIGHT)
        line["weight"] = int(weight)
    return line


def _ark_line(exchange: Exchange) -> dict[str, Any]:
    *context, answer = exchange.messages
    _check_answer(answer)
    _check_tool_flow(exchange.messages, in_order=True)
    if any(message.get(key) for message in context for key in _REASONING_KEYS):
        raise Unsayable(DropReason.REASONING)
    line = _line(exchange.request, [_ark_message(message) for message in (*context, answer)])
    called_at_once = max(len(message.get("tool_calls") or ()) for message in line["messages"])
    if line.get("parallel_tool_calls") is False and called_at_once > 1:
        raise Unsayable(DropReason.TOOLS)
    if "reasoning_content" in line["messages"][-1]:
        # Left out, training takes thinking for disabled, and a disabled line may carry none.
        line["thinking"] = "enabled"
    return line


def _ark_message(message: Message) -> dict[str, Any]:
    line = _opened(message, parts_of=("system", "user"))
    _only_known(message, ("tool_calls", "tool_call_id", *_REASONING_KEYS))
    reasoning = [message[key] for key in _REASONING_KEYS if message.get(key)]
    if len(set(map(str, reasoning))) > 1:
        raise Unsayable(DropReason.REASONING)
    if reasoning:
        line["reasoning_content"] = reasoning[0]
    if message.get("tool_calls"):
        # Ark's content is a string; beside calls, null and the empty string say the same.
        line["content"] = line["content"] or ""
        line["tool_calls"] = [_function_call(call) for call in message["tool_calls"]]
    weight = _weight(message)
    if weight is not None:
        line["loss_weight"] = weight
    return line


_RENDERERS: Mapping[LineFormat, Callable[[Exchange], dict[str, Any]]] = {
    LineFormat.OPENAI: _openai_line,
    LineFormat.ARK: _ark_line,
}


def _line(request: Mapping[str, Any], messages: Sequence[Message]) -> dict[str, Any]:
    if request.get("functions"):
        raise Unsayable(DropReason.TOOLS)  # the form before `tools`: neither format has it
    line: dict[str, Any] = {"messages": messages}
    if request.get("tools"):
        line["tools"] = request["tools"]
        if request.get("parallel_tool_calls") is not None:
            line["parallel_tool_calls"] = request["parallel_tool_calls"]
    return line


def _opened(message: Message, *, parts_of: Container[str]) -> dict[str, Any]:
    """Role and content. Parts are sayable in the roles `parts_of`; an assistant may only act."""
    role, content = message.get("role"), message.get("content")
    if role not in ("system", "user", "assistant", "tool"):
        raise Unsayable(DropReason.ROLE)
    acts = role == "assistant" and (message.get("tool_calls") or message.get("refusal"))
    in_parts = isinstance(content, list) and role in parts_of
    if not (isinstance(content, str) or in_parts or (content is None and acts)):
        raise Unsayable(DropReason.CONTENT)
    return {"role": role, "content": content}


def _only_known(message: Message, known: Iterable[str]) -> None:
    """Refuse a key that says something and would be lost."""
    allowed = {"role", "content", *_WEIGHT_KEYS, *known}
    if any(value not in (None, "", [], {}) for key, value in message.items() if key not in allowed):
        raise Unsayable(DropReason.UNKNOWN_KEY)


def _weight(message: Message) -> float | None:
    """The share of a message in the loss, where it says one that is not its role's own."""
    stated = [message[key] for key in _WEIGHT_KEYS if message.get(key) is not None]
    if not stated:
        return None
    weight, *others = stated
    if (
        isinstance(weight, bool)
        or not isinstance(weight, int | float)
        or others not in ([], [weight])
    ):
        raise Unsayable(DropReason.WEIGHT)
    if message["role"] == "assistant":
        return float(weight)
    if weight:
        raise Unsayable(DropReason.WEIGHT)
    return None  # nothing but an assistant's words is ever trained on


def _function_call(call: Message) -> dict[str, Any]:
    """A call without bookkeeping of its stream (`index`); the arguments must be JSON text."""
    function = call.get("function")
    known = {"id", "type", "index", "function"}
    if not isinstance(function, dict) or set(call) - known or set(function) - {"name", "arguments"}:
        raise Unsayable(DropReason.TOOLS)
    try:
        orjson.loads(function.get("arguments", ""))
    except (ValueError, TypeError) as error:
        raise Unsayable(DropReason.TOOLS) from error
    return {
        "type": call.get("type") or "function",
        "function": {"name": function.get("name"), "arguments": function["arguments"]},
    }


def _check_answer(answer: Message) -> None:
    if answer["role"] != "assistant":
        raise Unsayable(DropReason.ROLE)
    if not (answer.get("content") or answer.get("tool_calls") or answer.get("refusal")):
        raise Unsayable(DropReason.NO_ANSWER)


def _check_tool_flow(messages: Sequence[Message], *, in_order: bool) -> None:
    """Every call but those of the last message is answered once, right after it.

    `in_order` also asks for the results in the order of the calls: a format without call ids
    tells them apart by nothing else.
    """
    open_ids: list[Any] = []
    for message in messages:
        if message.get("role") == "tool":
            _answer_call(open_ids, message.get("tool_call_id"), in_order=in_order)
        elif open_ids:
            raise Unsayable(DropReason.TOOLS)
        else:
            open_ids = _call_ids(message)


def _call_ids(message: Message) -> list[Any]:
    calls = message.get("tool_calls") or []
    if not isinstance(calls, list) or not _all_objects(calls):
        raise Unsayable(DropReason.TOOLS)
    if calls and message.get("role") != "assistant":
        raise Unsayable(DropReason.TOOLS)
    return [call.get("id") for call in calls]


def _answer_call(open_ids: list[Any], answered: Any, *, in_order: bool) -> None:
    if answered not in (open_ids[:1] if in_order else open_ids):
        raise Unsayable(DropReason.TOOLS)
    open_ids.remove(answered)


def _all_objects(values: Iterable[object]) -> bool:
    return all(isinstance(value, dict) for value in values)
