"""What counts as a recorded exchange, in both shapes, and what its columns say."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from loopwright.lake.exchange import HashKeys, describe
from loopwright.lake.operations import estimated_tokens
from loopwright.lake.shapes.base import BadLineError
from loopwright.lake.shapes.chat import parse

KEYS = HashKeys(subject=b"s" * 32, content=b"c" * 32)
USER = {"role": "user", "content": "hello"}
ANSWER = {"role": "assistant", "content": "hi there"}
TOOL_CALL = {"id": "t1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
PAIR = {
    "request": {"model": "alias", "messages": [USER]},
    "response": {"model": "m-2026", "choices": [{"message": ANSWER, "finish_reason": "stop"}]},
}


def columns(line: dict[str, Any]) -> dict[str, Any]:
    exchange = parse(line)
    return describe(exchange.request, exchange.response, keys=KEYS)


def test_a_conversation_becomes_a_request_and_a_completion() -> None:
    tools = [{"type": "function", "function": {"name": "look"}}]
    line = {
        "messages": [{"role": "system", "content": "be brief"}, USER, ANSWER],
        "model": "m",
        "created": 1_700_000_000,
        "usage": {"prompt_tokens": 7, "completion_tokens": 3},
        "tools": tools,
        "temperature": 0.5,
        "endpoint": "chat",
    }
    exchange = parse(line)
    assert exchange.ts == 1_700_000_000_000_000
    assert exchange.endpoint == "chat"
    assert exchange.request == {
        "messages": line["messages"][:-1],
        "model": "m",
        "tools": tools,
        "temperature": 0.5,
    }
    (choice,) = exchange.response["choices"]
    assert (choice["message"], choice["finish_reason"]) == (ANSWER, "stop")
    found = columns(line)
    assert (found["input_tokens"], found["output_tokens"], found["tokens_estimated"]) == (
        7,
        3,
        False,
    )
    assert (found["has_system"], found["has_tools"], found["n_messages"]) == (True, True, 2)
    assert found["request_params"] == '{"temperature":0.5}'


def test_a_pair_is_kept_as_it_was_and_promoted() -> None:
    line = {
        **PAIR,
        "timestamp": "2026-01-31T00:00:00+08:00",
        "client_id": "alice",
        "session_id": "s1",
    }
    exchange = parse(line)
    assert exchange.ts == 1_769_788_800_000_000
    assert (exchange.subject, exchange.session_id) == ("alice", "s1")
    found = columns(line)
    assert (found["model_requested"], found["model"]) == ("alias", "m-2026")
    assert (found["outcome"], found["http_status"], found["finish_reason"]) == ("ok", 200, "stop")
    assert found["tokens_estimated"] is True
    assert orjson.loads(found["request"]) == {**PAIR["request"], "user": "alice"}
    assert orjson.loads(found["response"]) == PAIR["response"]


def test_tools_media_and_several_turns_are_counted() -> None:
    image = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    turns = [
        {"role": "user", "content": [{"type": "text", "text": "what is this"}, image]},
        {"role": "assistant", "content": None, "tool_calls": [TOOL_CALL]},
        {"role": "tool", "tool_call_id": "t1", "content": "a cat"},
        {"role": "assistant", "content": None, "tool_calls": [TOOL_CALL, TOOL_CALL]},
    ]
    found = columns({"messages": turns})
    assert (found["n_messages"], found["n_media"], found["n_tool_calls"]) == (3, 1, 2)
    assert found["finish_reason"] == "tool_calls"


def test_an_error_is_an_outcome_not_a_bad_line() -> None:
    error = {"error": {"type": "rate_limit", "code": 429, "message": "slow down"}}
    found = columns({**PAIR, "response": error})
    assert (found["outcome"], found["http_status"]) == ("upstream_error", 429)
    assert found["error_type"] == "rate_limit"
    assert found["finish_reason"] is None


def test_equal_exchanges_have_equal_hashes_whatever_their_ids_and_key_order() -> None:
    same = {
        "response": {"id": "x", "created": 5, **PAIR["response"]},
        "request": {"messages": [dict(reversed(USER.items()))], "model": "alias"},
    }
    other = {**PAIR, "response": {"choices": [{"message": {**ANSWER, "content": "no"}}]}}
    assert columns(same)["exchange_hash"] == columns(PAIR)["exchange_hash"]
    assert columns(other)["prompt_hash"] == columns(PAIR)["prompt_hash"]
    assert columns(other)["exchange_hash"] != columns(PAIR)["exchange_hash"]


def test_hashes_and_subjects_mean_nothing_without_the_lakes_keys() -> None:
    other = HashKeys(subject=b"x" * 32, content=b"y" * 32)
    assert other.subject_key("alice") != KEYS.subject_key("alice")
    assert 0 <= KEYS.subject_key("alice") < 1 << 63
    assert other.content_hash(b"text") != KEYS.content_hash(b"text")
    assert len(KEYS.content_hash(b"text")) == 16


@pytest.mark.parametrize(
    ("text", "tokens"), [("", 0), ("abcd" * 10, 10), ("你好" * 30, 41), ("abc你好", 3)]
)
def test_tokens_are_estimated_by_the_stated_rule(text: str, tokens: int) -> None:
    assert estimated_tokens(text) == tokens


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ([], "not a JSON object"),
        ({"prompt": "x"}, "neither messages nor request and response"),
        ({**PAIR, "messages": [USER, ANSWER]}, "both messages and request and response"),
        ({"messages": []}, "messages is not a list of messages"),
        ({"messages": [USER]}, "the last message is not the assistant's"),
        ({"messages": [ANSWER]}, "messages has an answer and nothing before it"),
        (
            {"messages": [{"role": "king"}, ANSWER]},
            "[0] is not a message with a known role",
        ),
        ({"messages": [{"role": "user", "content": 5}, ANSWER]}, "neither text nor parts"),
        (
            {"messages": [USER, {"role": "assistant", "content": ""}]},
            "neither content nor tool_calls",
        ),
        (
            {"messages": [USER, {"role": "assistant", "tool_calls": [{"function": {}}]}]},
            "tool_calls is not a list of function calls",
        ),
        ({**PAIR, "request": "text"}, "request and response must be objects"),
        ({**PAIR, "request": {"prompt": "x"}}, "request.messages is not a list of messages"),
        ({**PAIR, "response": {"choices": []}}, "response.choices is not a list of choices"),
        ({**PAIR, "response": {"choices": [{}]}}, "response.choices[0].message is missing"),
        ({**PAIR, "timestamp": "yesterday"}, "neither a number nor RFC 3339"),
        ({**PAIR, "timestamp": True}, "neither a number nor RFC 3339"),
        ({**PAIR, "timestamp": -1}, "outside the years"),
        ({**PAIR, "timestamp": 1e300}, "outside the years"),
        ({**PAIR, "timestamp": "1969-01-01T00:00:00Z"}, "outside the years"),
        ({**PAIR, "endpoint": ""}, "endpoint is empty or too long"),
        ({**PAIR, "endpoint": 5}, "endpoint is not text"),
        ({**PAIR, "client_id": ["secret"]}, "client_id is not text"),
    ],
)
def test_what_is_no_exchange_is_refused_with_a_reason_without_its_text(
    line: Any, reason: str
) -> None:
    with pytest.raises(BadLineError) as refusal:
        parse(line)
    assert reason in str(refusal.value)
    assert "secret" not in str(refusal.value)
    assert "hello" not in str(refusal.value)


@pytest.mark.parametrize("time", [1_700_000_000, 1_700_000_000_000, "2023-11-14T22:13:20Z"])
def test_times_may_be_seconds_milliseconds_or_rfc_3339(time: Any) -> None:
    assert parse({**PAIR, "timestamp": time}).ts == 1_700_000_000_000_000
