"""A stream put together again says what the call would have got without streaming."""

from __future__ import annotations

import copy
import itertools
import json
import random
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopwright.gateway.event_stream import EventParser
from loopwright.gateway.reassembly import StreamAssembly

TOP = {"id": "chatcmpl-1", "created": 1_700_000_000, "model": "m-2026", "system_fingerprint": "f"}
USAGE = {"prompt_tokens": 3, "completion_tokens": 9, "total_tokens": 12}
DONE = b"data: [DONE]\n\n"

TEXT = st.text(max_size=40)
LOGPROB = st.fixed_dictionaries(
    {"token": TEXT, "logprob": st.just(-0.5), "bytes": st.none(), "top_logprobs": st.just([])}
)
TOOL_CALL = st.fixed_dictionaries(
    {
        "id": st.uuids().map(str),
        "type": st.just("function"),
        "function": st.fixed_dictionaries(
            {"name": st.text(min_size=1, max_size=20), "arguments": st.text(max_size=60)}
        ),
    }
)


@st.composite
def chat_answers(draw: st.DrawFn) -> dict[str, Any]:
    """Answers as the API gives them when it does not stream."""
    choices = []
    for index in range(draw(st.integers(1, 3))):
        message: dict[str, Any] = {
            "role": "assistant",
            "content": draw(st.none() | TEXT.filter(bool)),
        }
        if draw(st.booleans()):
            message["refusal"] = draw(st.none() | TEXT.filter(bool))
        if draw(st.booleans()):
            message["reasoning_content"] = draw(TEXT.filter(bool))
        if calls := draw(st.lists(TOOL_CALL, max_size=3, unique_by=lambda one: one["id"])):
            message["tool_calls"] = calls
        if draw(st.booleans()):
            message["function_call"] = {"name": "look", "arguments": draw(TEXT.filter(bool))}
        choice: dict[str, Any] = {"index": index, "message": message}
        if draw(st.booleans()):
            tokens = draw(st.lists(LOGPROB, min_size=1, max_size=4))
            choice["logprobs"] = {"content": tokens, "refusal": None}
        if draw(st.booleans()):
            choice["content_filter_results"] = {"hate": {"filtered": False}}
        choice["finish_reason"] = draw(st.sampled_from(["stop", "length", "tool_calls"]))
        choices.append(choice)
    answer = {**TOP, "object": "chat.completion", "choices": choices}
    return answer | ({"usage": USAGE} if draw(st.booleans()) else {})


def pieces(text: str, chance: random.Random) -> Iterator[str]:
    while text:
        length = chance.randint(1, 6)
        yield text[:length]
        text = text[length:]


def deltas(message: dict[str, Any], chance: random.Random) -> Iterator[dict[str, Any]]:
    first = {"role": "assistant"} | {
        name: message[name] for name in ("content", "refusal") if message.get(name, 0) is None
    }
    yield first
    for name in ("reasoning_content", "content", "refusal"):
        for piece in pieces(message.get(name) or "", chance):
            yield {name: piece}
    for index, call in enumerate(message.get("tool_calls", ())):
        said = call["function"]
        yield {
            "tool_calls": [
                {**call, "index": index, "function": {"name": said["name"], "arguments": ""}}
            ]
        }
        for piece in pieces(said["arguments"], chance):
            yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}
    if "function_call" in message:
        yield {"function_call": {"name": message["function_call"]["name"], "arguments": ""}}
        for piece in pieces(message["function_call"]["arguments"], chance):
            yield {"function_call": {"arguments": piece}}


def choice_chunks(choice: dict[str, Any], chance: random.Random) -> Iterator[dict[str, Any]]:
    index = choice["index"]
    for delta in deltas(choice["message"], chance):
        yield {"index": index, "delta": delta, "finish_reason": None}
    if "logprobs" in choice:
        for token in choice["logprobs"]["content"]:
            said = {"content": [token], "refusal": None}
            yield {"index": index, "delta": {}, "logprobs": said, "finish_reason": None}
    last = {name: choice[name] for name in ("content_filter_results",) if name in choice}
    yield {"index": index, "delta": {}, **last, "finish_reason": choice["finish_reason"]}


def chunks(answer: dict[str, Any], chance: random.Random) -> list[dict[str, Any]]:
    """The same answer as OpenAI streams it, the choices interleaved."""
    waiting = [choice_chunks(choice, chance) for choice in copy.deepcopy(answer["choices"])]
    top = {**TOP, "object": "chat.completion.chunk"}
    counted = {"usage": None} if "usage" in answer else {}
    found = []
    while waiting:
        source = chance.choice(waiting)
        if (choice := next(source, None)) is None:
            waiting.remove(source)
        else:
            found.append({**top, **counted, "choices": [choice]})
    if "usage" in answer:
        found.append({**top, "choices": [], "usage": answer["usage"]})
    return found


def events(found: list[dict[str, Any]], chance: random.Random) -> bytes:
    """As an upstream may write them: any line ends, comments, data over several lines."""
    end = chance.choice([b"\n", b"\r\n", b"\r"])
    written = [chance.choice([b"", b"\xef\xbb\xbf"])]
    for chunk in found:
        if chance.random() < 0.1:
            written.append(b": keep-alive" + end + end)
        data = orjson.dumps(chunk, option=chance.choice([0, orjson.OPT_INDENT_2]))
        lines = [b"data:" + chance.choice([b"", b" "]) + line for line in data.split(b"\n")]
        if chance.random() < 0.1:
            lines.insert(0, b"id: 7" + end + b"event: message")
        written.append(end.join([*lines, b"", b""]))
    written.append(b"data: [DONE]" + end + chance.choice([b"", end]))
    return b"".join(written)


def fed(stream: bytes, chance: random.Random) -> dict[str, Any]:
    assembly = StreamAssembly()
    while stream:
        length = chance.choice([1, 2, 3, 17, 200, 5000])
        assembly.feed(stream[:length])
        stream = stream[length:]
    return assembly.finish()


@given(chat_answers(), st.randoms(use_true_random=False))
def test_a_stream_in_any_pieces_becomes_the_whole_answer(
    answer: dict[str, Any], chance: random.Random
) -> None:
    assert fed(events(chunks(answer, chance), chance), chance) == answer


@given(st.lists(TEXT.filter(bool), min_size=1, max_size=3), st.randoms(use_true_random=False))
def test_streamed_completions_become_whole(texts: list[str], chance: random.Random) -> None:
    top = {"id": "cmpl-1", "object": "text_completion", "created": 1, "model": "m"}
    found = []
    for index, text in enumerate(texts):
        for piece in pieces(text, chance):
            logprobs = {"tokens": [piece], "token_logprobs": [-1.0]}
            found.append(
                {"index": index, "text": piece, "logprobs": logprobs, "finish_reason": None}
            )
        found.append({"index": index, "text": "", "logprobs": None, "finish_reason": "stop"})
    whole = fed(events([{**top, "choices": [one]} for one in found], chance), chance)
    assert [choice["text"] for choice in whole["choices"]] == texts
    assert ["".join(one["logprobs"]["tokens"]) for one in whole["choices"]] == texts
    assert {choice["finish_reason"] for choice in whole["choices"]} == {"stop"}
    assert {name: whole[name] for name in top} == top


def assembled(*data: Any, ended_well: bool = True, done: bool = True) -> dict[str, Any]:
    assembly = StreamAssembly()
    for one in data:
        line = one if isinstance(one, bytes) else orjson.dumps(one)
        assembly.feed(b"data: " + line + b"\n\n")
    if done:
        assembly.feed(DONE)
    return assembly.finish(ended_well=ended_well)


def saying(delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}


def calling(**call: Any) -> dict[str, Any]:
    return saying({"tool_calls": [call]})


def test_a_stream_cut_short_is_partial() -> None:
    first = saying({"role": "assistant", "content": "Hel"})
    cut = assembled(first, done=False, ended_well=False)
    assert cut["partial"] is True
    assert cut["choices"][0]["message"] == {"role": "assistant", "content": "Hel"}
    assert "partial" in assembled(first, done=False)  # nobody said that it was over
    assert "partial" not in assembled(first)
    assert "partial" not in assembled(first, saying({}, "stop"), done=False)
    assert "partial" in assembled(first, saying({}, "stop"), done=False, ended_well=False)


def test_an_error_in_the_middle_is_kept_with_what_came_before() -> None:
    error = {"message": "overloaded", "type": "server_error"}
    for told in ({"error": error}, b'{"message":"overloaded","type":"server_error"}'):
        assembly = StreamAssembly()
        assembly.feed(b"data: " + orjson.dumps(saying({"content": "Hel"})) + b"\n\n")
        name = b"event: error\n" if isinstance(told, bytes) else b""
        line = told if isinstance(told, bytes) else orjson.dumps(told)
        assembly.feed(name + b"data: " + line + b"\n\n")
        whole = assembly.finish()
        assert (whole["error"], whole["partial"]) == (error, True)
        assert whole["choices"][0]["message"]["content"] == "Hel"


def test_calls_that_share_an_index_are_told_apart_by_id() -> None:
    whole = assembled(
        calling(index=0, id="a", type="function", function={"name": "f", "arguments": "{"}),
        calling(index=0, id="a", type="function", function={"name": "f", "arguments": "}"}),
        calling(index=0, id="b", type="function", function={"name": "g", "arguments": "{}"}),
    )
    assert whole["choices"][0]["message"]["tool_calls"] == [
        {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}},
        {"id": "b", "type": "function", "function": {"name": "g", "arguments": "{}"}},
    ]


def test_calls_without_an_index_go_on_with_the_last() -> None:
    whole = assembled(
        calling(id="a", type="function", function={"name": "f", "arguments": ""}),
        calling(function={"arguments": '{"x":'}),
        calling(function={"arguments": "1}"}),
    )
    (call,) = whole["choices"][0]["message"]["tool_calls"]
    assert call["function"] == {"name": "f", "arguments": '{"x":1}'}


def test_what_is_no_chunk_is_counted_and_left_out() -> None:
    whole = assembled(b"{broken", b"[1]", b'"text"', b"NaN", saying({"content": "x"}, "stop"))
    assert whole["unreadable_events"] == 4
    assert whole["choices"][0]["message"]["content"] == "x"


def test_an_event_beyond_the_limit_is_left_out_and_marked() -> None:
    assembly = StreamAssembly(limit=10_000)
    assembly.feed(b"data: " + orjson.dumps(saying({"content": "x" * 20_000})) + b"\n\n")
    assembly.feed(b"data: " + orjson.dumps(saying({"content": "kept"}, "stop")) + b"\n\n" + DONE)
    whole = assembly.finish()
    assert whole["truncated"] is True
    assert whole["choices"][0]["message"]["content"] == "kept"


def test_a_stream_beyond_the_limit_keeps_its_beginning() -> None:
    assembly = StreamAssembly(limit=20_000)
    for _ in range(3_000):
        assembly.feed(b"data: " + orjson.dumps(saying({"content": "0123456789"})) + b"\n\n")
    whole = assembly.finish()
    kept = whole["choices"][0]["message"]["content"]
    assert whole["truncated"] is True
    assert 1_000 < len(kept) < 20_000
    assert set(kept) == set("0123456789")


WORDS = """
choices delta index tool_calls function id object usage error content message text logprobs
finish_reason name role
"""
NAMES = st.sampled_from(WORDS.split())
ODD = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2**70) | TEXT | st.just([]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=25,
)


@given(st.lists(st.fixed_dictionaries({"choices": st.lists(ODD)}) | ODD, max_size=6))
def test_chunks_of_any_shape_do_no_harm(found: list[Any]) -> None:
    lines = [json.dumps(one).encode() for one in found]
    whole = assembled(*lines)
    assert orjson.loads(orjson.dumps(whole)) == whole


@given(st.lists(st.binary(max_size=60) | st.sampled_from([b"data: ", b"\n\n", b"\r", b"{}"])))
def test_bytes_of_any_kind_do_no_harm(found: list[bytes]) -> None:
    assembly = StreamAssembly(limit=200)
    for data in found:
        assembly.feed(data)
    assert isinstance(assembly.finish(), dict)


@pytest.mark.parametrize("deep", [b'{"a":' * 900 + b"1" + b"}" * 900, b"[" * 1500 + b"]" * 1500])
def test_nesting_of_any_depth_does_no_harm(deep: bytes) -> None:
    chunk = b'{"choices":[{"index":0,"delta":{"x":' + deep + b"}}]}"
    assert isinstance(assembled(chunk, chunk), dict)


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=8))
def test_events_do_not_depend_on_how_the_bytes_are_cut(stream: bytes, cuts: list[int]) -> None:
    stream = stream.replace(b"\x00", b"\n").replace(b"\x01", b"\r").replace(b"\x02", b"data:a")
    whole = EventParser()
    expected = whole.feed(stream) + whole.finish()
    edges = [0, *sorted(cuts), len(stream)]
    pieced = EventParser()
    found = [
        event
        for start, end in itertools.pairwise(edges)
        for event in pieced.feed(stream[start:end])
    ]
    assert found + pieced.finish() == expected
