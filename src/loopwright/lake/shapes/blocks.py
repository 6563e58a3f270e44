"""Messages made of content blocks (Anthropic, Bedrock) brought to messages of a chat request.

A block is a content part, a tool call, a tool's result or reasoning; the shapes read their own
blocks into these. Order is kept: what a turn says after a tool's result is a message of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import orjson

Part = dict[str, Any]

OTHER_BLOCK = "message with a block other than text, image, tool use or reasoning"


@dataclass(frozen=True, slots=True)
class ToolCall:
    """`arguments` is JSON as text."""

    id: Any
    name: Any
    arguments: str

    def as_json(self) -> dict[str, Any]:
        function = {"name": self.name, "arguments": self.arguments}
        return {"id": self.id, "type": "function", "function": function}


@dataclass(frozen=True, slots=True)
class ToolResult:
    id: Any
    parts: Sequence[Part]


@dataclass(frozen=True, slots=True)
class Reasoning:
    """`text` is empty where the provider keeps it to itself."""

    text: str


Block = Part | ToolCall | ToolResult | Reasoning


def messages_of(role: Any, blocks: Iterable[Block]) -> Iterator[dict[str, Any]]:
    """The messages that one turn amounts to; results of tools are messages of their own."""
    for of_tools, group in groupby(blocks, lambda block: isinstance(block, ToolResult)):
        if of_tools:
            yield from (_result(block) for block in group if isinstance(block, ToolResult))
        else:
            yield message_of(role, list(group))


def message_of(role: Any, blocks: Sequence[Block]) -> dict[str, Any]:
    """One message with what it says, calls and reasons. Blocks of tool results are not for it."""
    parts = [block for block in blocks if isinstance(block, dict)]
    calls = [block.as_json() for block in blocks if isinstance(block, ToolCall)]
    thought = [block.text for block in blocks if isinstance(block, Reasoning) and block.text]
    message: dict[str, Any] = {"role": role, "content": _content(parts)}
    if thought:
        message["reasoning_content"] = "\n".join(thought)
    if calls:
        message["tool_calls"] = calls
    return message


def text_part(text: Any) -> Part:
    return {"type": "text", "text": text}


def image_part(url: str) -> Part:
    return {"type": "image_url", "image_url": {"url": url}}


def data_url(media_type: str, base64: str) -> str:
    return f"data:{media_type};base64,{base64}"


def arguments(value: Any) -> str:
    """A tool's input as the JSON text that a tool call holds."""
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def function(name: Any, description: Any, parameters: Any) -> dict[str, Any]:
    """A tool as a chat request declares it."""
    told = {"name": name, "description": description, "parameters": parameters}
    return {
        "type": "function",
        "function": {key: value for key, value in told.items() if value is not None},
    }


def renamed(values: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """The values that have another name in a chat request, under that name."""
    return {
        new: values[old]
        for old, new in names.items()
        if values.get(old) is not None and values[old] != []
    }


def _result(block: ToolResult) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": block.id, "content": _content(block.parts) or ""}


def _content(parts: Sequence[Part]) -> Any:
    """One text as it is, several parts as a list, nothing as null."""
    if len(parts) == 1 and parts[0].get("type") == "text":
        return parts[0]["text"]
    return list(parts) or None
