"""Bodies of Bedrock's Converse operation, which Nova models also take and give when invoked.

A streamed answer may be recorded as its list of events; it is put together first.
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
from loopwright.lake.shapes.fields import count, known, rows, table, text

FINISH = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "tool_use": "tool_calls",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
}
_PARAMETERS = {
    "maxTokens": "max_tokens",
    "max_new_tokens": "max_tokens",
    "temperature": "temperature",
    "topP": "top_p",
    "top_p": "top_p",
    "topK": "top_k",
    "top_k": "top_k",
    "stopSequences": "stop",
}


def request_of(body: Json) -> dict[str, Any]:
    """A chat request of a Converse request. Raises NotACallError."""
    messages = [*_system(body.get("system"))]
    for message in rows(body.get("messages"), "messages"):
        messages += messages_of(message.get("role"), _blocks(message.get("content")))
    request: dict[str, Any] = {"messages": messages}
    request |= renamed(table(body.get("additionalModelRequestFields")), {"top_k": "top_k"})
    request |= renamed(table(body.get("inferenceConfig")), _PARAMETERS)
    tools = table(body.get("toolConfig"))
    given = rows(tools.get("tools"), "tools")
    if declared := [_tool(tool) for tool in given if "toolSpec" in tool]:
        request["tools"] = declared
    if choice := _choice(table(tools.get("toolChoice"))):
        request["tool_choice"] = choice
    return request


def response_of(body: Any) -> dict[str, Any]:
    """A completion of a Converse response, or of the events of one. Raises NotACallError."""
    found = assembled(body) if isinstance(body, list) else table(body)
    message = table(table(found.get("output")).get("message"))
    stop = text(found.get("stopReason"))
    answer = message_of(message.get("role", "assistant"), list(_blocks(message.get("content"))))
    response = completion(answer, finish_reason=FINISH.get(stop or "", stop))
    usage = _usage(table(found.get("usage")))
    return response | known(usage=usage)


def latency_of(body: Any) -> Any:
    """Milliseconds, as the service measured them."""
    found = assembled(body) if isinstance(body, list) else table(body)
    return table(found.get("metrics")).get("latencyMs")


def assembled(events: list[Any]) -> dict[str, Any]:
    """The response that a list of stream events amounts to."""
    found: dict[str, Any] = {}
    blocks: dict[Any, dict[str, Any]] = {}
    for event in rows(events, "the stream"):
        if start := table(event.get("contentBlockStart")):
            blocks[_index(start)] = dict(table(start.get("start")))
        elif delta := table(event.get("contentBlockDelta")):
            _extend(blocks.setdefault(_index(delta), {}), table(delta.get("delta")))
        elif stop := table(event.get("messageStop")):
            found["stopReason"] = stop.get("stopReason")
        elif told := table(event.get("metadata")):
            found |= told
    message = {"role": "assistant", "content": list(blocks.values())}
    return found | {"output": {"message": message}}


def _index(event: Json) -> int:
    return count(event.get("contentBlockIndex")) or 0


def _extend(block: dict[str, Any], delta: Json) -> None:
    if said := text(delta.get("text")):
        block["text"] = (text(block.get("text")) or "") + said
    if tool := table(delta.get("toolUse")):
        use = table(block.get("toolUse"))
        given = (text(use.get("input")) or "") + (text(tool.get("input")) or "")
        block["toolUse"] = {**use, "input": given}
    if thought := text(table(delta.get("reasoningContent")).get("text")):
        before = table(table(block.get("reasoningContent")).get("reasoningText"))
        whole = (text(before.get("text")) or "") + thought
        block["reasoningContent"] = {"reasoningText": {"text": whole}}


def _system(blocks: Any) -> Iterator[dict[str, Any]]:
    parts = [block for block in _blocks(blocks) if isinstance(block, dict)]
    if parts:
        yield message_of("system", parts)


def _blocks(content: Any) -> Iterator[Block]:
    for block in rows(content, "content"):
        if "cachePoint" not in block:
            yield _block(block)


def _block(block: Json) -> Block:
    if "text" in block:
        return text_part(block["text"])
    if use := table(block.get("toolUse")):
        return ToolCall(use.get("toolUseId"), use.get("name"), arguments(use.get("input", {})))
    if result := table(block.get("toolResult")):
        parts = [_result_part(part) for part in rows(result.get("content"), "toolResult")]
        return ToolResult(result.get("toolUseId"), parts)
    if isinstance(thought := _thought(table(block.get("reasoningContent"))), str):
        return Reasoning(thought)
    if guarded := table(table(block.get("guardContent")).get("text")):
        return text_part(guarded.get("text"))
    return _image(table(block.get("image")))


def _thought(content: Json) -> Any:
    """Reasoning that the provider keeps to itself is empty text."""
    return "" if "redactedContent" in content else table(content.get("reasoningText")).get("text")


def _result_part(part: Json) -> Part:
    if "json" in part:
        return text_part(arguments(part["json"]))
    return text_part(part["text"]) if "text" in part else _image(table(part.get("image")))


def _image(image: Json) -> Part:
    source = table(image.get("source"))
    if isinstance(source.get("bytes"), str):
        return image_part(data_url(f"image/{text(image.get('format'))}", source["bytes"]))
    uri = text(table(source.get("s3Location")).get("uri"))
    if uri is None:
        raise NotACallError(OTHER_BLOCK)
    return image_part(uri)


def _tool(tool: Json) -> dict[str, Any]:
    spec = table(tool["toolSpec"])
    schema = table(spec.get("inputSchema")).get("json")
    return function(spec.get("name"), spec.get("description"), schema)


def _choice(choice: Json) -> Any:
    if "any" in choice:
        return "required"
    if tool := table(choice.get("tool")):
        return {"type": "function", "function": {"name": tool.get("name")}}
    return "auto" if "auto" in choice else None


def _usage(usage: Json) -> dict[str, Any] | None:
    return usage_apart(
        fresh=count(usage.get("inputTokens")),
        completion=count(usage.get("outputTokens")),
        cached=count(usage.get("cacheReadInputTokens")),
        written=count(usage.get("cacheWriteInputTokens")),
    )
