"""Answers that need no model: the most frequent one, and the nearest question's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from loopwright.errors import EvaluationError
from loopwright.evaluation.floors import MOST_FREQUENT, NEAREST, floors
from loopwright.evaluation.questions import Item
from support.local_worlds import write_lines


def line(question: str, answer: str, **more: Any) -> dict[str, Any]:
    said = {"role": "assistant", "content": answer, **more}
    return {"messages": [{"role": "user", "content": question}, said]}


def asked(question: str) -> Item:
    return Item("", ({"role": "user", "content": question},))


def test_floors_answer_from_what_was_recorded(tmp_path: Path) -> None:
    recorded = write_lines(
        tmp_path / "train.jsonl",
        [
            line("the printer is on fire", "hardware"),
            line("the invoice is wrong", "billing"),
            line("the printer prints the invoice twice", "billing"),
            line("登录不了邮箱", "account"),
            line("邮箱满了", "storage"),
            line("the door is open", "access"),
        ],
    )
    found = floors(recorded)
    assert found[MOST_FREQUENT](asked("anything")).text == "billing"
    nearest = found[NEAREST]
    assert nearest(asked("Is the FIRE out?")).text == "hardware"  # a rare word counts more
    assert nearest(asked("我的邮箱又满了")).text == "storage"
    assert nearest(asked("the invoice is wrong")).text == "billing"
    assert nearest(asked("zzz")).text == "hardware"  # shares nothing: the first


def test_equally_frequent_answers_have_an_order_of_their_own(tmp_path: Path) -> None:
    lines = [line("q", "b"), line("q", "a"), line("q", "c")]
    for order in (lines, lines[::-1]):
        found = floors(write_lines(tmp_path / "train.jsonl", order))
        assert found[MOST_FREQUENT](asked("x")).text == "a"


def test_tool_calls_are_answers_too(tmp_path: Path) -> None:
    call = {"function": {"name": "look", "arguments": "{}"}}
    lines = [line("a", "", tool_calls=[call]), line("b", "", tool_calls=[call]), line("c", "no")]
    found = floors(write_lines(tmp_path / "train.jsonl", lines))
    assert list(found[MOST_FREQUENT](asked("x")).tool_calls) == [call]


def test_without_recorded_answers_there_is_no_floor(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "train.jsonl", [{"question": "q", "expected": "a"}])
    with pytest.raises(EvaluationError, match="no answer of an assistant"):
        floors(path)
