"""Messages for chat templates: what training and serving both hand over."""

from __future__ import annotations

import pytest

from loopwright.errors import ModelError
from loopwright.models.chat import template_messages


def test_parts_arguments_and_absence_are_shaped_as_templates_expect() -> None:
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": '{"a": [1]}'}}
    broken = {"id": "2", "type": "function", "function": {"name": "f", "arguments": "{"}}
    shaped = template_messages(
        [
            {"role": "user", "content": [{"type": "text", "text": t} for t in ("one", "two")]},
            {"role": "assistant", "content": None, "tool_calls": [call, broken], "loss_weight": 0},
            {"role": "tool", "tool_call_id": "1", "content": "", "tool_calls": []},
            {"role": "assistant", "content": None, "refusal": "I will not.", "weight": 1},
            {"role": "assistant", "content": "so", "reasoning_content": "hm", "name": None},
        ]
    )
    assert shaped == [
        {"role": "user", "content": "one\ntwo"},
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [
                {**call, "function": {"name": "f", "arguments": {"a": [1]}}},
                broken,
            ],
        },
        {"role": "tool", "tool_call_id": "1", "content": ""},
        {"role": "assistant", "content": "I will not."},
        {"role": "assistant", "content": "so", "reasoning_content": "hm"},
    ]


@pytest.mark.parametrize("content", [[{"type": "image_url", "image_url": {"url": "x"}}], 7, [None]])
def test_what_is_no_text_is_refused(content: object) -> None:
    with pytest.raises(ModelError):
        template_messages([{"role": "user", "content": content}])
