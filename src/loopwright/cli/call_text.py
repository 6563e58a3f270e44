"""One recorded call for people: its facts, then what was asked and answered.

The text is somebody else's: what could steer a terminal is made visible.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from loopwright.planning.render.width import printable

_FACTS = (
    ("endpoint", "endpoint"),
    ("model", "model"),
    ("outcome", "outcome"),
    ("http_status", "status"),
    ("error_type", "error"),
    ("finish_reason", "finished"),
    ("latency_ms", "latency ms"),
    ("ttft_ms", "first byte ms"),
    ("session_id", "session"),
    ("trace_id", "trace"),
    ("client_request_id", "request id"),
)
_INDENT = "    "


def told(row: Mapping[str, Any], feedback: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Lines that show a call with all columns, and the feedback on it."""
    yield f"call {printable(row['call_id'])}  {row['ts']:%Y-%m-%d %H:%M:%S.%f} UTC"
    for column, word in _FACTS:
        if row[column] is not None:
            yield f"  {word:<14}{printable(str(row[column]))}"
    yield f"  {'tokens':<14}{_tokens(row)}"
    for name, value in row["tags"] or ():
        yield f"  {'tag':<14}{printable(f'{name}={value}')}"
    for name, count in row["redactions"] or ():
        yield f"  {'redacted':<14}{printable(name)}: {count}"
    if not row["request"]:
        yield ""
        yield "Its text is gone: kept no longer than the lake's retention says."
        return
    yield from _request(_json(row["request"]))
    yield from _response(_json(row["response"]))
    for one in feedback:
        yield from _feedback(one)


def _tokens(row: Mapping[str, Any]) -> str:
    counts = f"{row['input_tokens'] or 0:,} in, {row['output_tokens'] or 0:,} out"
    return counts + (" (estimated)" if row["tokens_estimated"] else "")


def _request(body: Any) -> Iterator[str]:
    messages = body.get("messages") if isinstance(body, dict) else None
    if not isinstance(messages, list):
        yield from _block("request", body)
        return
    for message in messages:
        yield from _message(message)
    names = [_tool_name(tool) for tool in body.get("tools") or ()]
    if names:
        yield ""
        yield f"tools offered: {', '.join(names)}"


def _response(body: Any) -> Iterator[str]:
    choices = body.get("choices") if isinstance(body, dict) else None
    if not isinstance(choices, list) or not choices:
        yield from _block("response", body)
        return
    for choice in choices:
        message = choice.get("message") if isinstance(choice, dict) else None
        if isinstance(message, dict):
            yield from _message({"role": "assistant", **message})
        else:
            yield from _block("response", choice)


def _message(message: Any) -> Iterator[str]:
    if not isinstance(message, dict):
        yield from _block("message", message)
        return
    yield from _block(str(message.get("role")), message.get("content"))
    if reasoning := message.get("reasoning_content"):
        yield from _block("reasoning", reasoning)
    for call in message.get("tool_calls") or ():
        function = call.get("function") if isinstance(call, dict) else None
        if isinstance(function, dict):
            yield f"{_INDENT}-> {printable(str(function.get('name')))}"
            yield from _indented(str(function.get("arguments")), _INDENT * 2)


def _feedback(row: Mapping[str, Any]) -> Iterator[str]:
    values = (row["value_bool"], row["value_num"], row["value_label"])
    value = next((str(one) for one in values if one is not None), row["kind"])
    yield ""
    yield f"feedback by {row['source']}, {row['ts']:%Y-%m-%d %H:%M:%S}: " + printable(
        f"{row['name']} = {value}"
    )
    if row["text"]:
        yield from _indented(row["text"], _INDENT)


def _block(title: str, content: Any) -> Iterator[str]:
    yield ""
    yield f"{printable(title)}:"
    if isinstance(content, list):
        for part in content:
            text = part.get("text") if isinstance(part, dict) else None
            yield from _indented(text if isinstance(text, str) else _dumped(part), _INDENT)
    elif content is not None:
        yield from _indented(content if isinstance(content, str) else _dumped(content), _INDENT)


def _indented(text: str, indent: str) -> Iterator[str]:
    for line in text.splitlines():
        yield indent + printable(line)


def _tool_name(tool: Any) -> str:
    function = tool.get("function") if isinstance(tool, dict) else None
    return printable(str(function.get("name"))) if isinstance(function, dict) else "?"


def _dumped(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()


def _json(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
