"""Lines of every format that a batch takes, and what is said of those that it cannot."""

from __future__ import annotations

import json
from codecs import BOM_UTF8
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopwright.inference.lines import CHAT, BadLineError, Request, read_line

ASKED = [{"role": "user", "content": "where is 杭州?"}]
ANSWER = {"role": "assistant", "content": "in 浙江", "loss_weight": 0.5}


def read(line: Any) -> Request:
    return read_line(json.dumps(line).encode(), named="line-7")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (  # OpenAI; a batch has no stream
            {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions",
             "body": {"model": "gpt", "messages": ASKED, "stream": True}},
            Request("a", CHAT, {"model": "gpt", "messages": ASKED}),
        ),
        (
            {"custom_id": "b", "method": "POST", "url": "/v1/completions", "body": {"prompt": "x"}},
            Request("b", "completions", {"prompt": "x"}),
        ),
        (
            {"custom_id": "c", "url": "/v1/embeddings", "body": {"input": ["x"]}},
            Request("c", "embeddings", {"input": ["x"]}),
        ),
        (  # Ark
            {"custom_id": "d", "body": {"messages": ASKED, "max_tokens": 9}},
            Request("d", CHAT, {"messages": ASKED, "max_tokens": 9}),
        ),
        ({"messages": ASKED}, Request("line-7", CHAT, {"messages": ASKED})),
        (  # training data: the last answer is what is asked for, earlier ones are history
            {"messages": [*ASKED, ANSWER, *ASKED, ANSWER], "tools": [{"type": "function"}]},
            Request("line-7", CHAT, {
                "messages": [*ASKED, {"role": "assistant", "content": "in 浙江"}, *ASKED],
                "tools": [{"type": "function"}],
            }),
        ),
        (  # a call, as an Export writes it
            {"call_id": "c1", "request": json.dumps({"messages": ASKED}), "response": "{}"},
            Request("c1", CHAT, {"messages": ASKED}),
        ),
        (
            {"call_id": "c2", "operation": "completion", "request": {"prompt": "x"}},
            Request("c2", "completions", {"prompt": "x"}),
        ),
    ],
)  # fmt: skip
def test_a_line_comes_to_one_request(line: dict[str, Any], expected: Request) -> None:
    assert read(line) == expected


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ({"body": {"messages": ASKED}}, "has no custom_id"),
        ({"custom_id": 7, "body": {"messages": ASKED}}, "has no custom_id"),
        ({"custom_id": "x" * 513, "body": {}}, "has a custom_id of 513 characters, over 512"),
        ({"custom_id": "a", "method": "GET", "body": {}}, "has method 'GET'; only POST"),
        ({"custom_id": "a", "url": "/v1/images", "body": {}}, "has url '/v1/images'; there are"),
        ({"custom_id": "a", "url": 3, "body": {}}, "has url 3"),
        ({"custom_id": "a", "body": "x"}, "has a body that is not an object"),
        ({"custom_id": "a", "body": {"messages": []}}, "has no messages"),
        ({"custom_id": "a", "url": "/v1/completions", "body": {}}, "has no prompt"),
        ({"messages": "hello"}, "has messages that are not a list"),
        ({"messages": [ANSWER]}, "has no messages"),
        ({"messages": [*ASKED, {"role": "narrator"}]}, "has a message 2 of no known role"),
        ({"call_id": "c", "request": "{"}, "has a request that is not JSON"),
        ({"call_id": "c", "operation": "batch", "request": "{}"}, "is a call of batch"),
        ({"question": "x"}, "holds none of body, messages and request"),
        ([1], "is not a JSON object"),
    ],
)
def test_what_is_wrong_with_a_line_is_said(line: Any, said: str) -> None:
    with pytest.raises(BadLineError) as caught:
        read(line)
    assert caught.value.reason.startswith(said)


def test_a_byte_order_mark_is_no_part_of_a_line() -> None:
    line = BOM_UTF8 + json.dumps({"messages": ASKED}).encode()
    assert read_line(line, named="line-1").body == {"messages": ASKED}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
        ["custom_id", "body", "messages", "request", "role", "content", "url", "method"]
    ) | st.text(max_size=3), inner, max_size=4),
)  # fmt: skip


@given(line=JSON.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=40))
def test_any_bytes_are_a_request_or_a_reason(line: bytes) -> None:
    found = None
    with suppress(BadLineError):
        found = read_line(line, named="line-1")
    assert found is None or (found.custom_id and found.body)
