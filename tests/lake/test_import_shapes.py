"""What each vendor's record of a call becomes: canonical bodies, columns, and nothing invented."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from vendor_lines import (
    ANSWER,
    ANTHROPIC,
    ANTHROPIC_EVENTS,
    ARGUMENTS,
    ARK_ROW,
    ARK_SFT,
    CALLS,
    COMPLETION,
    CONVERSE,
    CONVERSE_REQUEST,
    CONVERSE_TOOLS,
    LANGFUSE,
    LANGFUSE_API,
    LITELLM,
    LITELLM_FAILURE,
    LITELLM_PAYLOAD,
    LITELLM_UNSTORED,
    NOVA_EVENTS,
    QUESTION,
    SPAN,
    STORED,
    TOOL_PARAMETERS,
    bedrock,
)

from loopwright.lake.batch import BatchBuilder
from loopwright.lake.exchange import HashKeys, describe
from loopwright.lake.shapes.base import BadLineError, Exchange, NotACallError
from loopwright.lake.shapes.registry import SHAPES, shape_of

KEYS = HashKeys(subject=b"s" * 32, content=b"c" * 32)
MIDNIGHT = 1_769_817_600_000_000
USER = {"role": "user", "content": QUESTION}
SAID = {"role": "assistant", "content": ANSWER}
TOOL = {
    "type": "function",
    "function": {"name": "find", "description": "Find an item.", "parameters": TOOL_PARAMETERS},
}
ALL = [(name, line) for name, lines in CALLS.items() for line in lines]


def parsed(line: dict[str, Any]) -> Exchange:
    shape = shape_of(line)
    assert shape is not None
    return shape.parse(line)


def answer(exchange: Exchange) -> dict[str, Any]:
    (choice,) = exchange.response["choices"]
    return choice


def columns(exchange: Exchange) -> dict[str, Any]:
    described = describe(exchange.request, exchange.response, keys=KEYS)
    return {**described, **exchange.columns}


@pytest.mark.parametrize(("name", "line"), ALL)
def test_a_call_is_known_by_its_line_and_can_be_described(name: str, line: dict[str, Any]) -> None:
    shape = shape_of(line)
    assert shape is not None
    assert shape.name == name
    found = parsed(line)
    assert QUESTION in orjson.dumps(found.request).decode()
    assert columns(found)["n_messages"] >= 1
    assert found.ts is None or found.ts == MIDNIGHT


def test_converse_becomes_a_chat_request_and_a_completion() -> None:
    found = parsed(CONVERSE)
    assert found.request == {
        "messages": [{"role": "system", "content": "Answer shortly."}, USER],
        "max_tokens": 64,
        "temperature": 0.5,
        "top_p": 0.9,
        "tools": [TOOL],
        "tool_choice": "required",
        "model": "amazon.nova-lite-v1:0",
        "metadata": {"team": "shop"},
    }
    assert answer(found) == {"index": 0, "message": SAID, "finish_reason": "stop"}
    told = columns(found)
    assert (told["input_tokens"], told["output_tokens"], told["tokens_estimated"]) == (9, 7, False)
    assert (told["cache_read_tokens"], told["latency_ms"], told["stream"]) == (5, 302, False)
    assert told["client_request_id"] == CONVERSE["requestId"]
    assert told["tags"] == {"team": "shop"}


def test_tools_of_converse_keep_their_order_and_their_results() -> None:
    _, called, result = parsed(CONVERSE_TOOLS).request["messages"]
    assert called["content"] == "Let me see."
    assert called["tool_calls"] == [
        {"id": "t1", "type": "function", "function": {"name": "find", "arguments": ARGUMENTS}}
    ]
    assert result == {"role": "tool", "tool_call_id": "t1", "content": '{"shelf":14}'}


def test_events_of_nova_are_put_together() -> None:
    found = parsed(NOVA_EVENTS)
    assert answer(found) == {"index": 0, "message": SAID, "finish_reason": "length"}
    told = columns(found)
    assert (told["input_tokens"], told["latency_ms"], told["stream"]) == (9, 55, True)


def test_anthropic_messages_become_a_chat_request_and_a_completion() -> None:
    found = parsed(ANTHROPIC)
    system, asked, called, result, more = found.request["messages"]
    assert (system["role"], asked) == ("system", USER)
    assert called["tool_calls"][0]["function"] == {"name": "find", "arguments": ARGUMENTS}
    assert result == {"role": "tool", "tool_call_id": "t1", "content": "14"}
    assert more["content"] == [
        {"type": "text", "text": "And where is that?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}},
    ]
    assert found.request["tools"] == [TOOL]
    assert found.request["tool_choice"] == {"type": "function", "function": {"name": "find"}}
    assert found.subject == "alice"
    assert answer(found) == {"index": 0, "message": SAID, "finish_reason": "stop"}
    told = columns(found)
    assert (told["input_tokens"], told["cache_read_tokens"], told["n_media"]) == (14, 3, 1)
    assert told["model"] == "claude-haiku"


def test_events_of_anthropic_are_put_together() -> None:
    found = parsed(ANTHROPIC_EVENTS)
    assert answer(found) == {
        "index": 0,
        "message": {
            "role": "assistant",
            "content": None,
            "reasoning_content": "Look it up.",
            "tool_calls": [
                {
                    "id": "t2",
                    "type": "function",
                    "function": {"name": "find", "arguments": ARGUMENTS},
                }
            ],
        },
        "finish_reason": "tool_calls",
    }
    told = columns(found)
    assert (told["latency_ms"], told["ttft_ms"], told["stream"]) == (900, 120, True)
    assert (told["input_tokens"], told["output_tokens"]) == (9, 7)


def test_a_refused_invocation_is_a_failed_call() -> None:
    line = bedrock("Converse", CONVERSE_REQUEST, None, errorCode="ThrottlingException")
    told = columns(parsed(line))
    assert (told["outcome"], told["error_type"]) == ("upstream_error", "ThrottlingException")


def test_a_langfuse_generation_keeps_its_trace_user_session_times_and_cost() -> None:
    found = parsed(LANGFUSE)
    assert found.request == {
        "messages": [USER],
        "model": "m-large",
        "user": "alice",
        "temperature": 0.7,
        "metadata": {"route": "shop"},
    }
    assert answer(found) == {"index": 0, "message": SAID, "finish_reason": "stop"}
    assert (found.subject, found.session_id, found.ts) == ("alice", "s-1", MIDNIGHT)
    told = columns(found)
    assert (told["input_tokens"], told["output_tokens"]) == (9, 7)
    assert (told["cache_read_tokens"], told["reasoning_tokens"]) == (3, 2)
    assert (told["latency_ms"], told["ttft_ms"], told["cost_micro_usd"]) == (1250, 200, 1250)
    assert told["trace_id"] == LANGFUSE["trace_id"]
    assert columns(parsed(LANGFUSE_API))["latency_ms"] == 2000


def test_tools_and_calls_as_langchain_writes_them_become_the_usual_ones() -> None:
    call = {"name": "find", "args": {"item": "lamp"}, "id": "t1", "type": "tool_call"}
    asked = {"role": "assistant", "content": "", "tool_calls": [call]}
    usual = {"id": "t1", "type": "function", "function": {"name": "find", "arguments": ARGUMENTS}}
    declared = {"role": "tool", "content": TOOL}
    found = parsed(LANGFUSE | {"input": [USER, asked, USER, declared], "output": asked})
    assert found.request["tools"] == [TOOL]
    assert len(found.request["messages"]) == 3
    assert found.request["messages"][1]["tool_calls"] == [usual]
    assert answer(found)["message"]["tool_calls"] == [usual]
    assert answer(found)["finish_reason"] == "tool_calls"


def test_a_failed_generation_is_a_failed_call() -> None:
    line = LANGFUSE | {"level": "ERROR", "output": "", "status_message": "timed out"}
    found = parsed(line)
    assert found.response == {"error": {"message": "timed out"}}
    assert columns(found)["outcome"] == "upstream_error"
    partial = parsed(LANGFUSE | {"level": "ERROR"})
    assert columns(partial)["outcome"] == "upstream_error"


def test_a_spend_log_takes_the_prompt_from_the_proxys_copy_of_the_request() -> None:
    found = parsed(LITELLM)
    assert found.request == {
        "model": "m-large",
        "messages": [USER],
        "temperature": 0.7,
        "user": "alice",
    }
    assert found.response == COMPLETION
    told = columns(found)
    assert (told["latency_ms"], told["ttft_ms"], told["cost_micro_usd"]) == (1500, 400, 300)
    assert (told["provider"], told["model"]) == ("openai", "m-large-2026")
    assert "hidden" not in str(found)
    payload = columns(parsed(LITELLM_PAYLOAD))
    assert (payload["latency_ms"], payload["cost_micro_usd"]) == (1500, 2000)
    assert payload["trace_id"] == "trace-9"


def test_a_failure_in_the_spend_log_is_a_failed_call() -> None:
    told = columns(parsed(LITELLM_FAILURE))
    assert (told["outcome"], told["http_status"]) == ("upstream_error", 429)
    assert told["error_type"] == "RateLimitError"


def test_a_stored_completion_is_joined_with_its_messages() -> None:
    found = parsed(STORED)
    assert found.request == {
        "messages": [USER],
        "model": "m-large-2026",
        "user": "alice",
        "seed": 4944,
        "temperature": 1.0,
        "metadata": {"route": "shop"},
    }
    assert answer(found)["message"] == SAID
    parts = [{"type": "text", "text": QUESTION}]
    listed = [{"id": "0", "role": "user", "content": QUESTION, "content_parts": parts}]
    with_answer = STORED | {"messages": [*listed, {"id": "1", **SAID}]}
    assert parsed(with_answer).request["messages"] == [{"role": "user", "content": parts}]


def test_ark_lines_keep_reasoning_and_leave_out_what_is_the_owners() -> None:
    found = parsed(ARK_SFT)
    assert found.request == {"messages": [USER], "thinking": {"type": "enabled"}}
    assert answer(found)["message"]["reasoning_content"] == "Hm."
    row = parsed(ARK_ROW)
    assert (row.endpoint, row.ts) == ("ep-2026-abc", MIDNIGHT)
    assert answer(row)["message"] == SAID


TIMES = ("created", "startTime", "endTime", "completionStartTime")


def renumbered(value: Any, number: Any) -> Any:
    """The line with this number in place of each that is no time."""
    if isinstance(value, dict):
        return {
            name: found if name in TIMES else renumbered(found, number)
            for name, found in value.items()
        }
    if isinstance(value, list):
        return [renumbered(found, number) for found in value]
    return number if isinstance(value, (int, float)) else value


@pytest.mark.parametrize("number", [-1, 1 << 31, (1 << 63) - 1, 1e300, True])
@pytest.mark.parametrize(("name", "line"), ALL)
def test_numbers_that_no_column_can_hold_are_left_out(
    name: str, line: dict[str, Any], number: Any
) -> None:
    found = SHAPES[name].parse(renumbered(line, number))
    batch = BatchBuilder()
    batch.add(columns(found) | {"call_id": "1", "ts": 0, "endpoint": "x"})
    assert batch.batch().rows == 1


POINTER = {"inputBodyS3Path": "s3://logs/data/1_input.json.gz", "inputTokenCount": 9}
VIDEO = {"messages": [{"role": "user", "content": [{"video": {"format": "mp4"}}]}]}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (SPAN, "observation other than a generation"),
        (LANGFUSE | {"input": ""}, "input that is no chat request"),
        (LANGFUSE | {"output": ""}, "output that is no answer"),
        (LITELLM_UNSTORED, "prompt not stored"),
        (LITELLM | {"response": {}}, "response not stored"),
        (
            LITELLM | {"response": "ab... (litellm_truncated skipped 9 chars) ...yz"},
            "text cut short by LiteLLM",
        ),
        (COMPLETION, "completion without its messages"),
        (CONVERSE | {"input": POINTER}, "body in an object of its own"),
        (bedrock("InvokeModel", {"inputText": QUESTION}, {}), "takes no messages"),
        (bedrock("Converse", VIDEO, {}), "answer is neither Converse's nor a completion"),
        (bedrock("Converse", VIDEO, {"output": {}}), "a block other than text"),
    ],
)
def test_what_is_sound_but_no_call_is_left_out_for_a_reason_without_its_text(
    line: dict[str, Any], reason: str
) -> None:
    with pytest.raises(NotACallError) as refusal:
        parsed(line)
    assert reason in str(refusal.value)
    assert QUESTION not in str(refusal.value)


@pytest.mark.parametrize("name", sorted(SHAPES))
@pytest.mark.parametrize("line", [None, [], "text", 5, {}])
def test_no_shape_takes_what_is_none(name: str, line: Any) -> None:
    with pytest.raises(BadLineError):
        SHAPES[name].parse(line)
