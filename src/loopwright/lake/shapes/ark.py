"""Volcengine Ark: lines of an SFT dataset, and rows that the AI data lake (LAS) exports.

The dataset lines are documented. The columns of an inference dataset are not: a row counts as one
when it holds request and response as JSON text, and whatever else it holds is left to a mapping.
"""

from __future__ import annotations

from typing import Any

from loopwright.lake.shapes import chat
from loopwright.lake.shapes.base import BadLineError, Exchange, Json, Shape
from loopwright.lake.shapes.fields import decoded

_OWN_KEYS = ("thinking", "extra")
_OWN_MESSAGE_KEYS = ("loss_weight", "reasoning_content")


def _parse(line: Any) -> Exchange:
    if not isinstance(line, dict):
        raise BadLineError("not a JSON object")
    found = chat.parse(_row(line) if _is_row(line) else _dataset_line(line))
    model = found.request.get("model")
    if found.endpoint is None and isinstance(model, str) and model.startswith("ep-"):
        return found._replace(endpoint=model)  # on Ark, a call names its endpoint as the model
    return found


def _row(line: Json) -> dict[str, Any]:
    return {**line, "request": decoded(line["request"]), "response": decoded(line["response"])}


def _dataset_line(line: Json) -> dict[str, Any]:
    """`extra` is the owner's own and no part of a request; `thinking` is an object in one."""
    body = {name: value for name, value in line.items() if name != "extra"}
    if isinstance(body.get("thinking"), str):
        body["thinking"] = {"type": body["thinking"]}
    return body


def _is_row(line: Json) -> bool:
    return isinstance(line.get("request"), str) and isinstance(line.get("response"), str)


def _bears(line: Json) -> bool:
    if _is_row(line):
        return True
    messages = line.get("messages")
    return isinstance(messages, list) and (
        any(name in line for name in _OWN_KEYS)
        or any(
            name in message
            for message in messages
            if isinstance(message, dict)
            for name in _OWN_MESSAGE_KEYS
        )
    )


SHAPE = Shape(
    name="ark-las",
    marks=frozenset({"messages", "thinking", "extra", "request", "response"}),
    bears=_bears,
    parse=_parse,
)
