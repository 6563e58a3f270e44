from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from loopwright.serving.embedded.answers import Answer
from loopwright.serving.embedded.catalog import Served
from loopwright.serving.embedded.generation import Order, Piece
from loopwright.serving.embedded.ordering import Call
from loopwright.serving.embedded.requests import ChatRequest
from loopwright.serving.embedded.sampling import Sampling
from loopwright.serving.embedded.tool_calls import CallWatch, find_calls

NAMES = ("route", "close")
HERMES = '<tool_call>\n{"name": "route", "arguments": {"queue": "billing"}}\n</tool_call>'
TABLE = [
    (HERMES, "", [("route", {"queue": "billing"})]),
    (f"One moment. {HERMES}\n{HERMES}", "One moment.", [("route", {"queue": "billing"})] * 2),
    ('<tool_call>{"name": "close", "arguments": {}}', "", [("close", {})]),
    ('{"name": "route", "parameters": {"queue": "数据"}}', "", [("route", {"queue": "数据"})]),
    ('<|python_tag|>{"name": "close", "parameters": {}}', "", [("close", {})]),
    ('ok [TOOL_CALLS][{"name": "close", "arguments": {}}]', "ok", [("close", {})]),
    ('[{"name": "close", "arguments": "{}"}]', "", [("close", {})]),
    # No calls: another tool's name, an answer in JSON, a broken one, plain text.
    ('<tool_call>{"name": "other", "arguments": {}}</tool_call>', None, []),
    ('{"queue": "billing"}', None, []),
    ('<tool_call>{"name": "route", </tool_call>', None, []),
    ("a < b and {c}", None, []),
    ("", None, []),
]


@pytest.mark.parametrize(("text", "content", "calls"), TABLE)
def test_calls_are_found_and_what_is_none_stays_text(
    text: str, content: str | None, calls: list[tuple[str, Any]]
) -> None:
    said = find_calls(text, NAMES)

    assert said.content == (text if content is None else content)
    assert [(call.name, json.loads(call.arguments)) for call in said.calls] == calls


@pytest.mark.parametrize(("text", "content", "calls"), TABLE)
def test_a_stream_finds_the_same_calls_whatever_its_pieces(
    text: str, content: str | None, calls: list[tuple[str, Any]]
) -> None:
    for length in (1, 3, 1000):
        watch = CallWatch(NAMES)
        pieces = [text[start : start + length] for start in range(0, len(text), length)]
        told = "".join(watch.push(piece) for piece in pieces)
        last = watch.end()

        assert [(call.name, json.loads(call.arguments)) for call in last.calls] == calls
        assert (told + last.content).strip() == (text if content is None else content).strip()


def test_text_flows_until_a_call_may_begin() -> None:
    watch = CallWatch(NAMES)

    assert watch.push("a < b, ") == "a < b, "
    assert watch.push("so <tool") == "so "
    assert watch.push("box") == "<toolbox"
    assert watch.push(HERMES) == ""
    assert watch.end().calls[0].name == "route"


def test_an_answer_with_calls_ends_with_tool_calls() -> None:
    tool = {"type": "function", "function": {"name": "route"}}
    told = {"model": "m", "messages": [{"role": "user", "content": "x"}], "tools": [tool]}
    call = _call(told)
    whole = Answer(call)
    whole.choices[0].add(Piece(HERMES, finish="stop"))
    choice = json.loads(whole.whole(3))["choices"][0]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["content"] is None
    assert choice["message"]["tool_calls"][0]["function"]["name"] == "route"

    events = Answer(_call({**told, "stream": True})).event(0, Piece(HERMES, finish="stop"))
    chunks = [json.loads(line[6:]) for line in events.decode().split("\n\n") if line]
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    assert [list(delta) for delta in deltas] == [["role", "content"], ["tool_calls"], []]
    assert deltas[1]["tool_calls"][0]["index"] == 0
    assert chunks[-1]["choices"][0]["finish_reason"] == "tool_calls"

    unasked = Answer(_call({**told, "tool_choice": "none"}))
    unasked.choices[0].add(Piece(HERMES, finish="stop"))
    assert json.loads(unasked.whole(3))["choices"][0]["message"]["content"] == HERMES


def _call(told: dict[str, Any]) -> Call:
    request = ChatRequest.model_validate(told)
    order = Order("m", [1], 8, Sampling(), None)
    served = Served("m", None, None, 64, None)  # type: ignore[arg-type]
    return Call(served, request, (replace(order, streams=bool(request.stream)),), 1)
