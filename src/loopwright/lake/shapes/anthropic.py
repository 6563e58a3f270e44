"""Bodies of Anthropic's messages API, as models invoked on Bedrock take and give them.

A streamed answer is recorded as its list of events; it is put together first.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from loopwright.lake.shapes.base import Json, NotACallError
from loopwright.lake.shapes.blocks import (
    OTHER_BLOCK,
    Block,
    Part,
    Reasoning,
    ToolCall,
    ToolResult,
    arguments,
    data_url,
    function,
    image_part,
    message_of,
    messages_of,
    renamed,
    text_part,
)
from loopwright.lake.shapes.bodies import completion, usage_apart
from loopwright.lake.shapes.converse import FINISH
from loopwright.lake.shapes.fields import count, known, rows, table, text

METRICS = "amazon-bedrock-invocationMetrics"
_PARAMETERS = {
    "max_tokens": "max_tokens",
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "stop_sequences": "stop",
}
_DELTAS = {"text": "text", "thinking": "thinking", "partial_json": "input"}
_CHOICES = {"auto": "auto", "any": "required", "none": "none"}


def request_of(body: Json) -> dict[str, Any]:
    """A chat request of a messages request. Raises NotACallError."""
    messages = []
    if system := [block for block in _blocks(body.get("system")) if isinstance(block, dict)]:
        messages.append(message_of("system", system))
    for message in rows(body.get("messages"), "messages"):
        messages += messages_of(message.get("role"), _blocks(message.get("content")))
    request: dict[str, Any] = {"messages": messages}
    request |= renamed(body, _PARAMETERS)
    tools = [tool for tool in rows(body.get("tools"), "tools") if "input_schema" in tool]
    if tools:
        request["tools"] = [
            function(tool.get("name"), tool.get("description"), tool["input_schema"])
            for tool in tools
        ]
    choice, user = _choice(body), text(table(body.get("metadata")).get("user_id"))
    return request | known(tool_choice=choice, user=user)


def response_of(body: Any) -> dict[str, Any]:
    """A completion of an answer, or of the events of one. Raises NotACallError."""
    found = assembled(body) if isinstance(body, list) else table(body)
    stop = text(found.get("stop_reason"))
    answer = message_of(found.get("role", "assistant"), list(_blocks(found.get("content"))))
    response = completion(answer, finish_reason=FINISH.get(stop or "", stop))
    told = known(id=text(found.get("id")), model=text(found.get("model")))
    return response | told | known(usage=_usage(table(found.get("usage"))))


def metrics_of(body: Any) -> dict[str, Any]:
    """What Bedrock measured of a streamed answer, in its last event."""
    events = rows(body, "the stream") if isinstance(body, list) else []
    return table(events[-1].get(METRICS)) if events else {}


def assembled(events: list[Any]) -> dict[str, Any]:
    """The answer that a list of stream events amounts to."""
    found: dict[str, Any] = {}
    blocks: dict[int, dict[str, Any]] = {}
    for event in rows(events, "the stream"):
        place = count(event.get("index")) or 0
        match event.get("type"):
            case "message_start":
                found |= table(event.get("message"))
            case "content_block_start":
                blocks[place] = dict(table(event.get("content_block")))
            case "content_block_delta":
                _extend(blocks.setdefault(place, {"type": "text"}), table(event.get("delta")))
            case "message_delta":
                found |= known(stop_reason=table(event.get("delta")).get("stop_reason"))
                found["usage"] = table(found.get("usage")) | table(event.get("usage"))
    return found | {"content": list(blocks.values())}


def _extend(block: dict[str, Any], delta: Json) -> None:
    for told, name in _DELTAS.items():
        if isinstance(delta.get(told), str):
            before = block.get(name)
            # A tool's input begins as an empty object and comes as pieces of JSON text.
            block[name] = (before if isinstance(before, str) else "") + delta[told]


def _blocks(content: Any) -> Iterator[Block]:
    if isinstance(content, str):
        yield text_part(content)
        return
    for block in rows(content, "content"):
        yield _block(block)


def _block(block: Json) -> Block:
    match block.get("type"):
        case "text":
            return text_part(block.get("text"))
        case "tool_use":
            return ToolCall(block.get("id"), block.get("name"), arguments(block.get("input", {})))
        case "tool_result":
            return ToolResult(block.get("tool_use_id"), list(_result(block.get("content"))))
        case "thinking" if isinstance(block.get("thinking"), str):
            return Reasoning(block["thinking"])
        case "redacted_thinking":
            return Reasoning("")
        case "image":
            return _image(table(block.get("source")))
    raise NotACallError(OTHER_BLOCK)


def _result(content: Any) -> Iterator[Part]:
    for block in _blocks(content):
        if not isinstance(block, dict):
            raise NotACallError(OTHER_BLOCK)
        yield block


def _image(source: Json) -> Part:
    if isinstance(source.get("data"), str):
        return image_part(data_url(text(source.get("media_type")) or "", source["data"]))
    if url := text(source.get("url")):
        return image_part(url)
    raise NotACallError(OTHER_BLOCK)


def _choice(body: Json) -> Any:
    choice = table(body.get("tool_choice"))
    if choice.get("type") == "tool":
        return {"type": "function", "function": {"name": choice.get("name")}}
    return _CHOICES.get(text(choice.get("type")) or "")


def _usage(usage: Json) -> dict[str, Any] | None:
    return usage_apart(
        fresh=count(usage.get("input_tokens")),
        completion=count(usage.get("output_tokens")),
        cached=count(usage.get("cache_read_input_tokens")),
        written=count(usage.get("cache_creation_input_tokens")),
    )
