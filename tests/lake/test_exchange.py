"""Any exchange becomes a row of the lake: columns of the right type, bodies that are JSON."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopwright.lake.batch import BatchBuilder
from loopwright.lake.exchange import HashKeys, describe, described, token_counts

KEYS = HashKeys(subject=b"s" * 32, content=b"c" * 32)
OPERATIONS = st.sampled_from(["chat", "completion", "embeddings", "another"])
NAMES = """
messages role content tool_calls function name arguments choices message text prompt input data
usage prompt_tokens completion_tokens prompt_tokens_details cached_tokens error status code type
model stream metadata tools response_format temperature top_p finish_reason
"""
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=9)
    | st.sampled_from(["user", "system", "text", "\ud800", "x" * 3000])
)
ODD = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(NAMES.split()), inner, max_size=6)
    ),
    max_leaves=25,
)
BODY = st.one_of(
    ODD.map(lambda value: json.dumps(value).encode()),  # with NaN, lone surrogates, huge numbers
    ODD.map(lambda value: json.dumps(value).encode()[:-1]),
    st.binary(max_size=80),
)


def row(operation: str, request: Any, response: Any) -> dict[str, Any]:
    return described(operation, orjson.dumps(request), orjson.dumps(response), keys=KEYS)


@given(OPERATIONS, BODY, BODY)
def test_any_bytes_become_a_row(operation: str, request: bytes, response: bytes) -> None:
    columns = described(operation, request, response, keys=KEYS)
    assert columns["operation"] == operation
    for name, body in (("request", request), ("response", response)):
        orjson.loads(columns[name])
        assert columns[name] == body or b'{"text":' in columns[name] or columns[name] == b"{}"
    builder = BatchBuilder()
    builder.add({**columns, "call_id": "c", "ts": 0, "endpoint": "e"})
    assert builder.batch().rows == 1


@given(ODD, ODD)
def test_tokens_of_any_exchange_are_counted(request: Any, response: Any) -> None:
    for operation in ("chat", "completion", "embeddings"):
        counts = token_counts(operation, {"messages": request}, {"usage": response})
        assert counts["input_tokens"] >= 0
        assert counts["output_tokens"] >= 0


@pytest.mark.parametrize("deep", [b"[" * 900 + b"]" * 900, b'{"a":' * 900 + b"1" + b"}" * 900])
def test_nesting_that_cannot_be_written_again_is_kept_and_told_apart(deep: bytes) -> None:
    request = b'{"messages":[{"role":"user","content":' + deep + b"}]}"
    columns = described("chat", request, b'{"choices":[]}', keys=KEYS)
    assert columns["request"] == request
    other = described("chat", request.replace(b"user", b"tool"), b'{"choices":[]}', keys=KEYS)
    assert columns["prompt_hash"] != other["prompt_hash"]


def test_a_well_formed_chat_is_described_as_an_import_describes_it() -> None:
    request = {
        "model": "alias",
        "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "你好 there"}],
        "temperature": 0.5,
        "metadata": {"team": "a"},
    }
    call = {"id": "t", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    response = {"model": "m", "choices": [{"message": message, "finish_reason": "tool_calls"}]}
    assert row("chat", request, response) == describe(request, response, keys=KEYS)


def test_completions_have_their_own_columns() -> None:
    request = {"model": "alias", "prompt": ["once", "twice upon"], "max_tokens": 9}
    choices = [{"index": 0, "text": "a time", "finish_reason": "length"}]
    columns = row("completion", request, {"model": "m", "choices": choices})
    assert (columns["n_messages"], columns["finish_reason"]) == (2, "length")
    assert (columns["input_tokens"], columns["output_tokens"]) == (4, 2)
    assert columns["tokens_estimated"] is True
    assert columns["request_params"] == '{"max_tokens":9}'
    again = row("completion", request, {"choices": [{"text": "another", "finish_reason": "stop"}]})
    assert columns["prompt_hash"] == again["prompt_hash"]
    assert columns["exchange_hash"] != again["exchange_hash"]


def test_embeddings_count_their_input_alone() -> None:
    vector = {"object": "embedding", "index": 0, "embedding": [0.25, -1.0]}
    response = {"data": [vector], "model": "m", "usage": {"prompt_tokens": 5, "total_tokens": 5}}
    columns = row("embeddings", {"model": "alias", "input": "some text"}, response)
    assert (columns["input_tokens"], columns["output_tokens"]) == (5, 0)
    assert columns["tokens_estimated"] is False
    assert (columns["operation"], columns["n_messages"], columns["outcome"]) == (
        "embeddings",
        1,
        "ok",
    )


@pytest.mark.parametrize(
    ("given", "tokens"), [([1, 2, 3], 3), ([[1, 2], [3]], 3), ("abcd", 1), ([], 0), (7, 0)]
)
def test_token_ids_are_counted_one_by_one(given: Any, tokens: int) -> None:
    assert token_counts("embeddings", {"input": given}, {})["input_tokens"] == tokens
    assert token_counts("completion", {"prompt": given}, {})["input_tokens"] == tokens


def test_what_is_no_json_is_kept_as_text() -> None:
    columns = described("chat", b"\xffnot json", b"", keys=KEYS)
    assert columns["request"] == b'{"text":"\\\\xffnot json"}'
    assert columns["response"] == b"{}"


def test_names_are_cut_to_the_length_of_names() -> None:
    assert len(row("chat", {"model": "m" * 9999}, {})["model_requested"]) == 256
