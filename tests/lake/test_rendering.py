"""Golden lines of both dialects, and every way in which a call cannot be said."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from loopwright.lake.datasets.reasons import DropReason
from loopwright.lake.datasets.recipe import LineFormat
from loopwright.lake.datasets.rendering import Exchange, Unsayable, render
from loopwright.lake.datasets.sft_schemas import SCHEMAS, is_plain, line_check

USER = {"role": "user", "content": "What is 6 x 7?"}
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "weather",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
        },
    }
]


def call(*messages: dict[str, Any], answer: dict[str, Any], **request: Any) -> Exchange:
    body = {"model": "m", "messages": list(messages), **request}
    response = {"choices": [{"index": 0, "message": answer, "finish_reason": "stop"}]}
    return Exchange.parse(orjson.dumps(body).decode(), orjson.dumps(response).decode())


def asks(*names: str) -> dict[str, Any]:
    return {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {
                "id": f"call-{name}",
                "type": "function",
                "index": place,
                "function": {"name": "weather", "arguments": f'{{"city":"{name}"}}'},
            }
            for place, name in enumerate(names)
        ],
    }


def result(name: str) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": f"call-{name}", "content": f"sun in {name}"}


def says(text: str, **more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": text, **more}


def reason_for(exchange: Exchange, line_format: LineFormat) -> DropReason:
    with pytest.raises(Unsayable) as caught:
        render(exchange, line_format)
    return caught.value.reason


def test_a_plain_call_is_the_same_line_in_both_formats() -> None:
    exchange = call(
        {"role": "system", "content": "算术"},
        USER,
        answer=says("42", refusal=None, annotations=[], audio=None),
        temperature=0.2,
        user="u-1",
    )
    golden = (
        '{"messages":[{"role":"system","content":"算术"},'
        '{"role":"user","content":"What is 6 x 7?"},{"role":"assistant","content":"42"}]}'
    ).encode()
    assert [render(exchange, one) for one in LineFormat] == [golden, golden]
    assert exchange.subject == "u-1"


def test_a_finished_tool_round_is_said_with_ids_for_openai_and_by_order_for_ark() -> None:
    exchange = call(
        USER,
        asks("Oslo", "Rome"),
        result("Oslo"),
        result("Rome"),
        answer=says("Sun in both."),
        tools=TOOLS,
        parallel_tool_calls=True,
    )
    call_of = '{{"type":"function","function":{{"name":"weather","arguments":"{}"}}}}'
    oslo, rome = (call_of.format(f'{{\\"city\\":\\"{name}\\"}}') for name in ("Oslo", "Rome"))
    tail = (
        '"tools":[{"type":"function","function":{"name":"weather","parameters":'
        '{"type":"object","properties":{"city":{"type":"string"}}}}}],"parallel_tool_calls":true}'
    )
    assert render(exchange, LineFormat.ARK).decode() == (
        '{"messages":[{"role":"user","content":"What is 6 x 7?"},'
        f'{{"role":"assistant","content":"","tool_calls":[{oslo},{rome}]}},'
        '{"role":"tool","content":"sun in Oslo"},{"role":"tool","content":"sun in Rome"},'
        f'{{"role":"assistant","content":"Sun in both."}}],{tail}'
    )
    with_ids = [
        one.replace("{", f'{{"id":"call-{name}",', 1)
        for one, name in ((oslo, "Oslo"), (rome, "Rome"))
    ]
    assert render(exchange, LineFormat.OPENAI).decode() == (
        '{"messages":[{"role":"user","content":"What is 6 x 7?"},'
        f'{{"role":"assistant","content":null,"tool_calls":[{",".join(with_ids)}]}},'
        '{"role":"tool","content":"sun in Oslo","tool_call_id":"call-Oslo"},'
        '{"role":"tool","content":"sun in Rome","tool_call_id":"call-Rome"},'
        f'{{"role":"assistant","content":"Sun in both."}}],{tail}'
    )


def test_a_call_that_ends_in_tool_calls_is_a_line() -> None:
    exchange = call(USER, answer=asks("Oslo"), tools=TOOLS)
    for line_format in LineFormat:
        assert orjson.loads(render(exchange, line_format))["messages"][-1]["tool_calls"]


def test_reasoning_of_the_answer_is_said_in_ark_only_and_turns_thinking_on() -> None:
    exchange = call(USER, answer=says("42", reasoning_content="6 x 7"))
    assert orjson.loads(render(exchange, LineFormat.ARK)) == {
        "messages": [USER, says("42", reasoning_content="6 x 7")],
        "thinking": "enabled",
    }
    assert reason_for(exchange, LineFormat.OPENAI) is DropReason.REASONING


def test_weights_are_said_in_the_words_of_the_format() -> None:
    exchange = call(USER, says("41", weight=0), USER, answer=says("42"))
    ark = orjson.loads(render(exchange, LineFormat.ARK))["messages"]
    openai = orjson.loads(render(exchange, LineFormat.OPENAI))["messages"]
    assert [message.get("loss_weight") for message in ark] == [None, 0.0, None, None]
    assert [message.get("weight") for message in openai] == [None, 0, None, None]
    half = call(USER, answer=says("42", loss_weight=0.5))
    assert orjson.loads(render(half, LineFormat.ARK))["messages"][-1]["loss_weight"] == 0.5
    assert reason_for(half, LineFormat.OPENAI) is DropReason.WEIGHT


def test_the_key_order_of_tool_definitions_is_the_recorded_one() -> None:
    backwards = {"properties": {"z": {"type": "string"}, "a": {"type": "string"}}, "type": "object"}
    tools = [{"type": "function", "function": {"name": "f", "parameters": backwards}}]
    line = render(call(USER, answer=says("ok"), tools=tools), LineFormat.OPENAI)
    assert orjson.dumps(backwards) in line


PICTURE = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
PARTS = [{"type": "text", "text": "look"}, PICTURE]
BROKEN = {**asks("Oslo"), "tool_calls": [{"id": "x", "function": {"name": "f", "arguments": "{"}}]}
STRANGE_TYPE = [
    {
        "type": "function",
        "function": {
            "name": "f",
            "parameters": {"properties": {"a": {"type": ["string", "null"]}}},
        },
    }
]
BOTH = tuple(LineFormat)
ARK = (LineFormat.ARK,)


@pytest.mark.parametrize(
    ("exchange", "formats", "reason"),
    [
        (call({"role": "developer", "content": "x"}, answer=says("y")), BOTH, DropReason.ROLE),
        (call(USER, answer=USER), BOTH, DropReason.ROLE),
        (call(USER, answer=says("")), BOTH, DropReason.NO_ANSWER),
        (call(USER, answer={"role": "assistant", "content": None}), BOTH, DropReason.NO_ANSWER),
        (call({"role": "user", "content": None}, answer=says("y")), BOTH, DropReason.CONTENT),
        (call(USER, says([{"type": "text", "text": "a"}]), USER, answer=says("y")), ARK,
         DropReason.CONTENT),
        (call({**USER, "name": "Ann"}, answer=says("y")), ARK, DropReason.UNKNOWN_KEY),
        (call({**USER, "mood": "bright"}, answer=says("y")), BOTH, DropReason.UNKNOWN_KEY),
        (call(USER, answer=says("", refusal="I cannot")), ARK, DropReason.UNKNOWN_KEY),
        (call(USER, asks("Oslo"), answer=says("y")), BOTH, DropReason.TOOLS),
        (call(USER, asks("Oslo"), result("Rome"), answer=says("y")), BOTH, DropReason.TOOLS),
        (call(USER, result("Oslo"), answer=says("y")), BOTH, DropReason.TOOLS),
        (call(USER, asks("A", "B"), result("B"), result("A"), answer=says("y")), ARK,
         DropReason.TOOLS),
        (call(USER, answer=asks("A", "B"), tools=TOOLS, parallel_tool_calls=False), ARK,
         DropReason.TOOLS),
        (call(USER, answer=BROKEN), BOTH, DropReason.TOOLS),
        (call(USER, answer=says("y"), functions=[{"name": "f"}]), BOTH, DropReason.TOOLS),
        (call(USER, says("a", reasoning_content="r"), USER, answer=says("y")), ARK,
         DropReason.REASONING),
        (call({**USER, "weight": 1}, answer=says("y")), BOTH, DropReason.WEIGHT),
        (call(USER, answer=says("y", weight=True)), BOTH, DropReason.WEIGHT),
        (call(USER, answer=says("y", loss_weight=1.5)), ARK, DropReason.LINE_SCHEMA),
        (call(USER, answer=says("y"), tools=STRANGE_TYPE), ARK, DropReason.LINE_SCHEMA),
        (call(USER, answer=says("y"), tools=["f"]), BOTH, DropReason.LINE_SCHEMA),
        (call({"role": "user", "content": [{"type": "text", "text": ""}]}, answer=says("y")),
         BOTH, DropReason.LINE_SCHEMA),
    ],
)  # fmt: skip
def test_what_cannot_be_said_is_dropped_with_its_reason(
    exchange: Exchange, formats: tuple[LineFormat, ...], reason: DropReason
) -> None:
    assert [reason_for(exchange, one) for one in formats] == [reason] * len(formats)


@pytest.mark.parametrize(
    ("exchange", "line_format"),
    [
        (call(USER, asks("A", "B"), result("B"), result("A"), answer=says("y")), LineFormat.OPENAI),
        (call({**USER, "name": "Ann"}, answer=says("y")), LineFormat.OPENAI),
        (call(USER, answer={"content": None, "refusal": "I cannot"}), LineFormat.OPENAI),
        (call(USER, answer=says("y"), tools=STRANGE_TYPE), LineFormat.OPENAI),
        (call({"role": "user", "content": PARTS}, answer=says("y")), LineFormat.OPENAI),
        (call({"role": "user", "content": PARTS}, answer=says("y")), LineFormat.ARK),
    ],
)
def test_what_one_format_refuses_the_other_may_say(
    exchange: Exchange, line_format: LineFormat
) -> None:
    assert render(exchange, line_format)


@pytest.mark.parametrize(
    ("request_text", "response_text"),
    [
        ("{", "{}"),
        ('{"messages":[]}', '{"choices":[{"message":{"content":"x"}}]}'),
        ('{"messages":[1]}', '{"choices":[{"message":{"content":"x"}}]}'),
        ('{"prompt":"x"}', '{"choices":[{"text":"x"}]}'),
        ('{"messages":[{"role":"user","content":"x"}]}', '{"choices":[]}'),
        ('{"messages":[{"role":"user","content":"x"}]}', '{"choices":[{"message":"x"}]}'),
        ('{"messages":[{"role":"user","content":"x"}]}', "[]"),
    ],
)
def test_text_that_is_no_chat_exchange_is_unreadable(request_text: str, response_text: str) -> None:
    with pytest.raises(Unsayable) as caught:
        Exchange.parse(request_text, response_text)
    assert caught.value.reason is DropReason.UNREADABLE


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(0, 2) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)
messages = st.fixed_dictionaries(
    {"role": st.sampled_from(["system", "user", "assistant", "tool", "developer"])},
    optional={
        "content": st.text(max_size=3) | json_values,
        "weight": json_values,
        "loss_weight": json_values,
        "reasoning_content": json_values,
        "tool_call_id": json_values,
        "tool_calls": st.just(asks("Oslo")["tool_calls"]) | json_values,
        "name": json_values,
    },
)


@given(
    st.lists(messages, min_size=1, max_size=4), messages, json_values, st.sampled_from(LineFormat)
)
def test_any_exchange_is_a_valid_line_or_has_a_reason(
    spoken: list[dict[str, Any]], answer: dict[str, Any], tools: Any, line_format: LineFormat
) -> None:
    exchange = call(*spoken, answer=answer, tools=tools)
    try:
        line = orjson.loads(render(exchange, line_format))
    except Unsayable:
        return
    assert line_check(line_format)(line)
    assert line["messages"][-1]["role"] == "assistant"
    assert len(line["messages"]) == len(spoken) + 1


def test_the_schemas_are_schemas() -> None:
    from jsonschema import Draft202012Validator

    for schema in SCHEMAS.values():
        Draft202012Validator.check_schema(schema)


_texts = st.text(max_size=5)
_plain_messages = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["system", "user", "assistant"]), "content": _texts}
    ),
    min_size=1,
    max_size=3,
)
_odd = st.one_of(st.none(), st.booleans(), st.integers(), _texts, st.lists(_texts, max_size=2))


@given(
    st.fixed_dictionaries({"messages": st.one_of(_plain_messages, _odd)}),
    st.dictionaries(st.sampled_from(["messages", "tools", "x"]), _odd, max_size=1),
    st.dictionaries(st.sampled_from(["role", "content", "name"]), _odd, max_size=1),
)
def test_what_is_plain_needs_no_schema_to_be_valid(
    line: dict[str, Any], other: dict[str, Any], in_message: dict[str, Any]
) -> None:
    """The short cut lets through nothing that a schema would not."""
    if isinstance(line["messages"], list) and line["messages"] and in_message:
        first = line["messages"][0]
        line["messages"][0] = {**first, **in_message} if isinstance(first, dict) else in_message
    changed = {**line, **other}
    if is_plain(changed):
        for schema in SCHEMAS.values():
            assert Draft202012Validator(schema).is_valid(changed)
    else:
        assert changed != {"messages": [{"role": "user", "content": "?"}]}
