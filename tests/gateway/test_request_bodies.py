"""Only the value of `model` changes on the way to an upstream, whatever else a body holds."""

from __future__ import annotations

import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopwright.gateway.bodies import parsed, with_model
from loopwright.gateway.refusals import RefusalError

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.sampled_from(
    ["model", '"model":"a"', '\\"model\\": \\"a\\"', "a", "模型"]
)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=12,
)


@given(
    st.dictionaries(words, values, max_size=4),
    words,
    words,
    st.booleans(),
    st.sampled_from([None, 2]),
)
def test_the_object_is_the_same_but_for_its_model(
    rest: dict[str, object], model: str, other: str, is_ascii: bool, indent: int | None
) -> None:
    said = {**rest, "model": model}
    body = json.dumps(said, ensure_ascii=is_ascii, indent=indent).encode()
    changed = with_model(body, parsed(body), other)
    assert orjson.loads(changed) == {**said, "model": other}
    if model == other:
        assert changed == body


def test_the_bytes_around_the_model_are_kept() -> None:
    body = '{ "x" : 1.50,\n "model": "a",  "messages":[{"content":"\\u4f60 你"}] }'.encode()
    assert with_model(body, parsed(body), "bé") == body.replace(b'"a"', '"bé"'.encode())
    bare = b' {"x": 1}'
    assert with_model(bare, parsed(bare), "b") == b' {"model":"b","x": 1}'
    assert with_model(b"{}", {}, "b") == b'{"model":"b"}'


def test_a_model_said_twice_reaches_no_upstream_in_its_first_meaning() -> None:
    body = b'{"model": "expensive", "model": "a"}'
    assert b"expensive" not in with_model(body, parsed(body), "b")


def test_what_cannot_be_written_anew_is_refused() -> None:
    nested = b"[" * 300 + b"]" * 300
    body = b'{"model": "a", "model": "a", "deep": ' + nested + b"}"
    with pytest.raises(RefusalError, match="nested too deeply"):
        with_model(body, parsed(body), "b")
