"""Points by every method, against tables that were worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest

from loopwright.evaluation.questions import Item, QuestionSet
from loopwright.evaluation.scoring.base import Given
from loopwright.evaluation.scoring.methods import METHODS, scorer_of


def points(method: str, said: Any, expected: Any, **settings: Any) -> float:
    """What an answer gets; `said` is a text, or a list of tool calls."""
    choices = settings.pop("among", ())
    score = scorer_of(QuestionSet("c", "s", "", method, settings=settings))
    given = Given(said) if isinstance(said, str) else Given("", said)
    return round(score(given, Item("i", (), expected, choices)).points, 2)


def call(name: str, **arguments: Any) -> dict[str, Any]:
    return {"name": name, "arguments": arguments}


IGNORING = {"ignoreCase": True, "ignorePunctuation": True, "ignoreWhitespace": True}
TABLE: list[tuple[str, Any, Any, dict[str, Any], float]] = [
    ("exactMatch", " Paris\n", "Paris", {}, 100),
    ("exactMatch", "paris", "Paris", {}, 0),
    ("exactMatch", "paris ,  France。", "Paris, France", {"compare": IGNORING}, 100),
    ("exactMatch", "b", ["a", "b"], {}, 100),
    ("exactMatch", '{"b": 1, "a": [2]}', '{"a":[2],"b":1}', {}, 0),
    ("exactMatch", '{"b": 1.0, "a": [2]}', '{"a":[2],"b":1}', {"compare": {"asJson": True}}, 100),
    ("exactMatch", '{"a": true}', '{"a": 1}', {"compare": {"asJson": True}}, 0),
    ("exactMatch", '{"a": 1} ok', '{"a": 1}', {"compare": {"asJson": True}}, 0),
    ("exactMatch", '{"queue": "billing"}', {"queue": "billing"}, {}, 100),
    ("exactMatch", "42", 42, {}, 100),
    ("includes", "It is Paris.", "Paris", {}, 100),
    ("includes", "It is paris.", "Paris", {}, 0),
    ("includes", "It is paris.", ["London", "Paris"], {"compare": {"ignoreCase": True}}, 100),
    ("regex", "order 4711", None, {"pattern": r"\d{4}"}, 100),
    ("regex", "order 47", None, {"pattern": r"\d{4}"}, 0),
    ("regex", "refund", "(?i)REFUND", {}, 100),
    ("regex", "a" * 40, None, {"pattern": "(a|a)*b"}, 0),  # comes to an end
    ("exactMatch", "So... ANSWER: 7.", "7", {"extract": r"ANSWER: (\d+)"}, 100),
    ("exactMatch", "7", "7", {"extract": r"ANSWER: (\d+)"}, 0),
    # 3 shared words of 3 said and 4 expected without the article: 2*3/7
    ("f1", "the cat sat down", "A cat sat down there", {}, 85.71),
    ("f1", "dog", "cat", {}, 0),
    ("f1", "", "", {}, 100),
    ("f1", "x cat", ["dog", "cat"], {}, 66.67),
    # 杭 州 西 湖 against 西 湖: 2 shared of 4 and 2: 2*2/6
    ("f1", "杭州西湖", "西湖。", {}, 66.67),
    # longest common subsequence "police the gunman" is 3: 3/4 and 3/4
    ("rougeL", "police kill the gunman", "police the gunman killed", {}, 75),
    ("rougeL", "西湖杭州", "杭州", {}, 66.67),
    ("rougeL", "完全", "不同", {}, 0),
    ("numeric", "It costs 1,234.50 CNY in all.", "1234.5", {}, 100),
    ("numeric", "3 apples and 4 pears: 7", 7, {}, 100),
    ("numeric", "7 of 3", 7, {}, 0),
    ("numeric", "10²", 100, {}, 100),
    ("numeric", "about 10^-2", 0.01, {}, 100),
    ("numeric", "½", 0.5, {}, 100),
    ("numeric", "2 ½ litres", 2.5, {}, 100),
    ("numeric", "1 000", 1000, {}, 100),
    ("numeric", "12\u202f345 items", 12345, {}, 100),
    ("numeric", "in 2024 500", 500, {}, 100),
    ("numeric", "3.14", 3.14159, {}, 0),
    ("numeric", "3.14", 3.14159, {"tolerance": 0.01}, 100),
    ("numeric", "102", 100, {"relativeTolerance": 0.02}, 100),
    ("numeric", "103", 100, {"relativeTolerance": 0.02}, 0),
    ("numeric", "-5 °C", "−5", {}, 100),
    ("numeric", "45%", "45 %", {}, 100),
    ("numeric", "45%", 0.45, {}, 100),
    ("numeric", "约1.5万元", 15000, {}, 100),
    ("numeric", "1.2e3", 1200, {}, 100),
    ("numeric", ".5 of 2-3", 3, {}, 100),
    ("numeric", "none", 1, {}, 0),
    ("numeric", "v2.1.3 takes 12ms", 12, {}, 100),
    ("jsonValid", ' {"a": [1, null]} ', None, {}, 100),
    ("jsonValid", "{'a': 1}", None, {}, 0),
    ("jsonSchema", '{"a": 1}', None, {"schema": {"required": ["a"]}}, 100),
    ("jsonSchema", '{"b": 1}', None, {"schema": {"required": ["a"]}}, 0),
    ("jsonSchema", "no", None, {"schema": {}}, 0),
    ("toolCall", [call("look", id=1), call("say")], [call("say"), call("look", id=1.0)], {}, 100),
    ("toolCall", [call("look", id=2)], [call("look", id=1)], {}, 0),
    ("toolCall", [call("look", id=1), call("say")], [call("look", id=1)], {}, 0),
    ("toolCall", [], [], {}, 100),
    # one of the two arguments is right, and one of the two calls is missing
    (
        "toolCall",
        [{"id": "x", "function": {"name": "look", "arguments": '{"id": 1, "at": "b"}'}}],
        [call("look", id=1, at="a"), call("say")],
        {"partialCredit": True},
        25,
    ),
    # a call too many is half of what was called
    ("toolCall", [call("a"), call("b")], [call("a")], {"partialCredit": True}, 50),
    *(
        ("multipleChoice", said, right, {"among": ("red", "green", "dark green")}, wanted)
        for said, right, wanted in [
            ("B", "B", 100),
            ("(b)", "B", 100),
            ("B. green", "B", 100),
            ("The answer is: C", "C", 100),
            ("I first thought A, but the answer is (B).", "B", 100),
            ("答案是B", "B", 100),
            ("green", "B", 100),
            ("It is dark green.", "C", 100),
            ("It is dark green.", "B", 0),
            ("A or B", "A", 0),
            ("A nice question", "A", 0),
            ("none", "A", 0),
        ]
    ),
]


@pytest.mark.parametrize(("method", "said", "expected", "settings", "wanted"), TABLE)
def test_points(
    method: str, said: Any, expected: Any, settings: dict[str, Any], wanted: float
) -> None:
    assert points(method, said, expected, **settings) == wanted


def test_every_method_has_its_row() -> None:
    assert {row[0] for row in TABLE} == set(METHODS)


@pytest.mark.parametrize(
    ("method", "said", "expected", "told"),
    [
        ("exactMatch", "no\n way", "yes", "is 'no way'"),
        ("exactMatch", '{"a": 1, "b": 2}', {"a": 1, "b": 3, "c": 4}, "differs in b, c"),
        ("numeric", "7", 8, "is 7, off by 1"),
        ("toolCall", [call("say")], [call("look")], "calls say; expected look"),
        ("jsonSchema", '{"b": 1}', None, "$: 'a' is a required property"),
    ],
)
def test_a_wrong_answer_is_told_why(method: str, said: Any, expected: Any, told: str) -> None:
    score = scorer_of(QuestionSet("c", "s", "", method, settings={"schema": {"required": ["a"]}}))
    given = Given(said) if isinstance(said, str) else Given("", said)
    assert score(given, Item("i", (), expected)).reason == told
