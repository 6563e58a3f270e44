"""JSON Schemas (Draft 2020-12) of a training line in both dialects, as data.

A schema sees one place at a time. Rules across messages (who answers whom, what comes last) are
kept by `rendering`, which makes the lines. Every line that is written has passed its schema.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from loopwright.lake.datasets.recipe import LineFormat

Schema = dict[str, Any]

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_TEXT: Schema = {"type": "string"}
_SOME_TEXT: Schema = {"type": "string", "minLength": 1}


def _object(required: Mapping[str, Schema], **optional: Schema) -> Schema:
    """A closed object: unknown keys are refused by every trainer we write for."""
    return {
        "type": "object",
        "properties": {**required, **optional},
        "required": list(required),
        "additionalProperties": False,
    }


def _part(kind: str, body: Schema) -> Schema:
    return _object({"type": {"const": kind}, kind: body})


def _list_of(item: Schema) -> Schema:
    return {"type": "array", "items": item, "minItems": 1}


def _by_role(assistant: Schema, tool: Schema, speakers: Mapping[str, Schema]) -> Schema:
    """Choose the schema by role, the commonest roles of a long conversation first."""
    chain: Schema = {"properties": {"role": {"enum": [*speakers, "assistant", "tool"]}}}
    for role, schema in reversed({"assistant": assistant, **speakers, "tool": tool}.items()):
        chain = {
            "if": {"properties": {"role": {"const": role}}},
            "then": schema,
            "else": chain,
        }
    return {"type": "object", "required": ["role"], **chain}


def _line(message: Schema, tool: Schema, **optional: Schema) -> Schema:
    return _object(
        {"messages": _list_of(message)},
        tools=_list_of(tool),
        parallel_tool_calls={"type": "boolean"},
        **optional,
    )


def _function_tool(parameters: Schema) -> Schema:
    function = _object(
        {"name": _SOME_TEXT},
        description=_TEXT,
        parameters=parameters,
        strict={"type": ["boolean", "null"]},
    )
    return _object({"type": {"const": "function"}, "function": function})


_FUNCTION_CALL = _object({"name": _SOME_TEXT, "arguments": _TEXT})
_FUNCTION = {"type": {"const": "function"}, "function": _FUNCTION_CALL}
_TEXT_PART = _object({"type": {"const": "text"}, "text": _SOME_TEXT})
_IMAGE_URL = _object({"url": _SOME_TEXT}, detail={"enum": ["auto", "low", "high"]})

_OPENAI_TEXT: Schema = {"anyOf": [_TEXT, _list_of(_TEXT_PART)]}
_OPENAI_MIXED: Schema = {
    "anyOf": [_TEXT, _list_of({"anyOf": [_TEXT_PART, _part("image_url", _IMAGE_URL)]})]
}
_OPENAI_ASSISTANT = {
    **_object(
        {"role": {"const": "assistant"}},
        content={"anyOf": [*_OPENAI_TEXT["anyOf"], {"type": "null"}]},
        name=_SOME_TEXT,
        refusal=_SOME_TEXT,
        tool_calls=_list_of(_object({"id": _SOME_TEXT, **_FUNCTION})),
        weight={"enum": [0, 1]},
    ),
    "anyOf": [
        {"properties": {"content": _OPENAI_TEXT}, "required": ["content"]},
        {"required": ["tool_calls"]},
        {"required": ["refusal"]},
    ],
}

OPENAI: Schema = {
    "$schema": _DIALECT,
    "title": "OpenAI supervised fine-tuning line",
    **_line(
        _by_role(
            _OPENAI_ASSISTANT,
            _object(
                {"role": {"const": "tool"}, "content": _OPENAI_TEXT, "tool_call_id": _SOME_TEXT}
            ),
            {
                "user": _object(
                    {"role": {"const": "user"}, "content": _OPENAI_MIXED}, name=_SOME_TEXT
                ),
                "system": _object(
                    {"role": {"const": "system"}, "content": _OPENAI_TEXT}, name=_SOME_TEXT
                ),
            },
        ),
        _function_tool({"type": "object"}),
    ),
}

_ARK_MEDIA = [
    _part("image_url", _object({"url": _SOME_TEXT}, detail=_SOME_TEXT)),
    _part("audio_url", _object({"url": _SOME_TEXT})),
    _part("video_url", {**_object({"url": _SOME_TEXT}, fps={"type": "number"})}),
]
_ARK_MIXED: Schema = {"anyOf": [_TEXT, _list_of({"anyOf": [_TEXT_PART, *_ARK_MEDIA]})]}
# What Ark accepts inside a function's parameters: plain types only, at every depth.
_ARK_PARAMETER: Schema = {
    "type": "object",
    "properties": {
        "type": {"enum": ["string", "number", "boolean", "integer", "object", "array"]},
        "properties": {
            "type": "object",
            "additionalProperties": {"$ref": "#/$defs/parameter"},
        },
        "items": {"$ref": "#/$defs/parameter"},
    },
}

ARK: Schema = {
    "$schema": _DIALECT,
    "title": "Ark supervised fine-tuning line",
    "$defs": {"parameter": _ARK_PARAMETER},
    **_line(
        _by_role(
            _object(
                {"role": {"const": "assistant"}, "content": _TEXT},
                reasoning_content=_SOME_TEXT,
                tool_calls=_list_of(_object(_FUNCTION)),
                loss_weight={"type": "number", "minimum": 0, "maximum": 1},
            ),
            _object({"role": {"const": "tool"}, "content": _TEXT}),
            {
                "user": _object({"role": {"const": "user"}, "content": _ARK_MIXED}),
                "system": _object({"role": {"const": "system"}, "content": _ARK_MIXED}),
            },
        ),
        _function_tool({"$ref": "#/$defs/parameter"}),
        thinking={"enum": ["enabled", "disabled", "auto"]},
    ),
}

SCHEMAS: Mapping[LineFormat, Schema] = {LineFormat.OPENAI: OPENAI, LineFormat.ARK: ARK}


@cache
def line_check(line_format: LineFormat) -> Callable[[object], bool]:
    """Whether a line is valid in its format; compiled once a process."""
    from jsonschema import Draft202012Validator

    checked = Draft202012Validator(SCHEMAS[line_format]).is_valid
    return lambda line: is_plain(line) or checked(line)


def is_plain(line: object) -> bool:
    """Whether a line is of the commonest shape, roles and texts alone: valid in every format.

    Ten times as fast as a schema, which says the same of it.
    """
    if not isinstance(line, dict) or line.keys() != {"messages"}:
        return False
    messages = line["messages"]
    return isinstance(messages, list) and bool(messages) and all(map(_is_plain_message, messages))


def _is_plain_message(message: object) -> bool:
    return (
        isinstance(message, dict)
        and message.keys() == {"role", "content"}
        and message["role"] in ("system", "user", "assistant")
        and isinstance(message["content"], str)
    )
