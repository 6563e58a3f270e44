"""Strict parsing: what is refused, where the error points, and what the rest of a file keeps."""

from __future__ import annotations

import string
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright.manifests.scalars import resolve_plain
from loopwright.manifests.source import Source
from loopwright.manifests.yaml import MAX_DEPTH, MAX_PROBLEMS, Parsed, parse


def read(text: str) -> Parsed:
    return parse(Source("m.yaml", text, Path()))


def found(text: str) -> list[tuple[str, int, int, str]]:
    return [
        (one.code, one.span.line, one.span.column, one.field)
        for one in read(text).diagnostics
        if one.span
    ]


@pytest.fixture(params=["libyaml", "pure Python"])
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "pure Python":
        monkeypatch.delattr(yaml, "CSafeLoader")


@pytest.mark.usefixtures("parser")
@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1\nb: {c: 1, c: 2}\n", ("duplicate-key", 2, 11, "b.c")),
        ("a:\n- x: 1\n  1: y\n", ("non-string-key", 3, 3, "a[0]")),
        ("? [a, b]\n: 1\n", ("non-string-key", 1, 3, "")),
        ("a:\n  <<: {b: 1}\n", ("merge-key", 2, 3, "a")),
        ("a: !env X\n", ("unknown-tag", 1, 4, "a")),
        ("a: !!python/name:os.system x\n", ("unknown-tag", 1, 4, "a")),
        ("a: !!set {x: null}\n", ("unknown-tag", 1, 4, "a")),
        ("a: !!int x\n", ("wrong-type", 1, 4, "a")),
        ("a: &x 1\nb: *y\n", ("unknown-anchor", 2, 4, "b")),
        ("a: &x [*x]\n", ("recursive-alias", 1, 8, "a[0]")),
        ("- just\n- a list\n", ("not-a-mapping", 1, 1, "")),
        ("a:\n\tb: 1\n", ("tab-indentation", 2, 1, "")),
        ("a:\n  - x\n \t- y\n", ("tab-indentation", 3, 2, "")),
        ("a: b: c\n", ("yaml-syntax", 1, 5, "")),
        ("a: @x\n", ("yaml-syntax", 1, 4, "")),
        ("a:\n  b: 'open\n", ("yaml-syntax", 2, 6, "")),
        ("a: [1, 2\n", ("yaml-syntax", 1, 4, "")),
        ("a: 中文\x07\n", ("control-character", 1, 6, "")),
        ("中文: 值\nb: {中文: 1, 中文: 2}\n", ("duplicate-key", 2, 12, "b.中文")),
        ("a: 1\nb: x\u2028y\n", ("control-character", 2, 5, "")),
        ("a: 1\r\nb: !t 1\r\n", ("unknown-tag", 2, 4, "b")),
    ],
)
def test_each_mistake_is_named_at_its_place(text: str, problem: tuple[str, int, int, str]) -> None:
    assert problem in found(text)


@pytest.mark.usefixtures("parser")
@pytest.mark.parametrize("text", ['a: "\\ud800"', "a: \ufeffx", "%YAML 3.0\n--- a", "a: \ufffe"])
def test_text_that_json_cannot_carry_is_refused(text: str) -> None:
    assert [(line, bool(code)) for code, line, *_ in found(text)] == [(1, True)]


def test_all_mistakes_of_a_file_come_together_and_good_documents_stay() -> None:
    parsed = read("a: 1\na: 2\n---\nb: !t 1\n---\n# empty\n---\nok: true\n---\n- no\n---\nc: [\n")
    codes = [one.code for one in parsed.diagnostics]
    assert codes == ["duplicate-key", "unknown-tag", "not-a-mapping", "yaml-syntax"]
    assert [document.data for document in parsed.documents] == [{"a": 1}, {"b": "1"}, {"ok": True}]
    assert [document.line for document in parsed.documents] == [1, 4, 8]


def test_aliases_are_copies_and_cost_what_they_expand_to() -> None:
    data = read("a: &x {n: [1]}\nb: *x\n").documents[0].data
    assert data["b"] == {"n": [1]}
    assert data["b"] is not data["a"]


@pytest.mark.usefixtures("parser")
def test_an_alias_bomb_is_refused_once_and_does_not_grow() -> None:
    lines = ["l0: &l0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 10)}]" for i in range(1, 40)]
    assert [code for code, *_ in found("\n".join(lines))] == ["alias-bomb"]


def test_long_text_counts_in_the_price_of_an_alias() -> None:
    text = f"a: &x '{'y' * 100_000}'\nb: [{', '.join(['*x'] * 100)}]\n"
    assert [code for code, *_ in found(text)] == ["alias-bomb"]


@pytest.mark.usefixtures("parser")
@pytest.mark.parametrize("opening", ["[", "{a: ", "- "])
def test_nesting_is_bounded(opening: str) -> None:
    assert "too-deep" in [code for code, *_ in found(opening * 5_000)]
    assert not found("[" * MAX_DEPTH + "]" * MAX_DEPTH)[1:]


@pytest.mark.usefixtures("parser")
def test_aliases_do_not_get_around_the_bound_on_nesting() -> None:
    chain = ["a0: &a0 " + "[" * 30 + "]" * 30]
    chain += [f"a{i}: &a{i} {'[' * 30}*a{i - 1}{']' * 30}" for i in range(1, 15)]
    assert "too-deep" in [code for code, *_ in found("\n".join(chain))]


def test_a_hostile_file_gives_a_bounded_number_of_problems() -> None:
    codes = [code for code, *_ in found("a: 1\n" * 10_000)]
    assert len(codes) == MAX_PROBLEMS + 1
    assert codes[-1] == "too-many-problems"


_KEYS = st.text(string.ascii_letters + "-_./ 中文#:'\"", min_size=1, max_size=8)
_TEXTS = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\x85\u2028\u2029"), max_size=20
)
_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    # safe_dump writes for YAML 1.1, where 1e5 and 0o7 are text.
    _TEXTS.filter(lambda text: resolve_plain(text) == text),
)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_KEYS, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=40)
@given(st.lists(st.dictionaries(_KEYS, _VALUES, min_size=1, max_size=4), max_size=3))
def test_what_pyyaml_writes_is_read_back_the_same(documents: list[dict[str, Any]]) -> None:
    parsed = read(yaml.safe_dump_all(documents, allow_unicode=True))
    assert not parsed.diagnostics
    assert [document.data for document in parsed.documents] == documents
    for document in parsed.documents:
        for key in filter(str.isalpha, document.data):
            span = document.span((key,), key=True)
            there = document.source_line(span)[span.column - 1 :]
            assert there.lstrip("'\"").startswith(key)


@given(
    st.lists(
        st.sampled_from([*"[]{}:,-?&*!|>'\"%@`#~<\t\n ab1", "&a", "*a", "- ", "a: ", "\n---\n"])
    )
)
def test_no_text_makes_the_parser_raise(pieces: list[str]) -> None:
    text = "".join(pieces)
    parsed = read(text)
    for document in parsed.documents:
        assert document.span(("a", 0, "b")).line <= text.count("\n") + 1
    for diagnostic in parsed.diagnostics:
        assert diagnostic.span
        assert 1 <= diagnostic.span.line <= text.count("\n") + 1
