"""Questions from files of every form, and all that is wrong with them at once."""

from __future__ import annotations

from codecs import BOM_UTF8
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from loopwright.errors import EvaluationError
from loopwright.evaluation.items import load_items
from loopwright.evaluation.questions import Item, QuestionSet
from support.local_worlds import write_lines

USER = {"role": "user", "content": "q"}
SYSTEM = {"role": "system", "content": "be short"}
ANSWERED = {"role": "assistant", "content": "a", "loss_weight": 1}


def asked(path: Path, method: str = "exactMatch", **said: Any) -> QuestionSet:
    return QuestionSet("c", "s", str(path), method, **said)


def items(folder: Path, *rows: Any, method: str = "exactMatch", **said: Any) -> tuple[Item, ...]:
    return load_items(asked(write_lines(folder / "q.jsonl", rows), method, **said))


@pytest.mark.parametrize(
    ("row", "messages", "expected"),
    [
        ({"question": "q", "expected": "a"}, [USER], "a"),
        ({"prompt": "q", "answer": ["a", "b"]}, [USER], ["a", "b"]),
        ({"input": "q", "label": {"x": 1}, "system": "be short"}, [SYSTEM, USER], {"x": 1}),
        ({"messages": [SYSTEM, USER], "expected": "a"}, [SYSTEM, USER], "a"),
        ({"messages": [SYSTEM, USER, ANSWERED]}, [SYSTEM, USER], "a"),
        ({"messages": [USER, ANSWERED], "expected": "b"}, [USER], "b"),
        ({"messages": [USER, ANSWERED, USER, ANSWERED]}, [USER, "a", USER], "a"),
    ],
)
def test_a_row_is_read_in_any_usual_form(
    tmp_path: Path, row: dict[str, Any], messages: list[Any], expected: Any
) -> None:
    (item,) = items(tmp_path, row)
    plain = [one["content"] if one["role"] == "assistant" else one for one in item.messages]
    assert (plain, item.expected) == (messages, expected)


def test_each_turn_may_be_asked_and_the_system_prompt_replaced(tmp_path: Path) -> None:
    talk = {"messages": [SYSTEM, USER, ANSWERED, USER, {**ANSWERED, "content": "b"}]}
    first, second = items(tmp_path, talk, turns="all", system_prompt="other")
    assert [len(first.messages), len(second.messages)] == [2, 4]
    assert (first.expected, second.expected) == ("a", "b")
    assert first.messages[0]["content"] == second.messages[0]["content"] == "other"


def test_csv_says_the_same_as_lines(tmp_path: Path) -> None:
    table = tmp_path / "q.csv"
    table.write_text('\ufeffquestion,expected\n"q, 1",a\n"多\n行",b\n', encoding="utf-8")
    rows = [{"question": "q, 1", "expected": "a"}, {"question": "多\n行", "expected": "b"}]
    assert load_items(asked(table)) == items(tmp_path, *rows)


def test_choices_are_listed_and_the_right_one_is_a_letter(tmp_path: Path) -> None:
    found = items(
        tmp_path,
        {"question": "q", "choices": ["red", "green"], "answer": "green"},
        {"question": "q", "choices": {"text": ["red", "green"], "label": ["A", "B"]}, "answer": 1},
        {"question": "q", "A": "red", "B": "green", "answer": "b"},
        method="multipleChoice",
    )
    assert {one.expected for one in found} == {"B"}
    assert found[0].messages[-1]["content"].startswith("q\n\nA. red\nB. green\n\n")


def test_an_item_is_known_by_what_makes_it_the_same_item(tmp_path: Path) -> None:
    row = {"question": "q", "expected": "a"}
    one, twin, other = items(tmp_path, row, {**row, "id": "named"}, {**row, "expected": "b"})
    assert len({one.id, twin.id, other.id}) == 3  # equal rows are two items, in any run the same
    assert items(tmp_path, row)[0].id == one.id
    assert items(tmp_path, row, settings={"compare": {"asJson": True}})[0].id != one.id


def test_a_limit_keeps_the_same_items_and_smaller_ones_are_within(tmp_path: Path) -> None:
    rows = [{"question": f"q{n}", "expected": "a"} for n in range(50)]
    twenty, ten = items(tmp_path, *rows, limit=20), items(tmp_path, *rows[::-1], limit=10)
    assert (len(twenty), len(ten)) == (20, 10)
    assert {one.id for one in ten} < {one.id for one in twenty}


def test_a_byte_order_mark_is_no_part_of_the_first_line(tmp_path: Path) -> None:
    path = tmp_path / "marked.jsonl"
    path.write_bytes(BOM_UTF8 + b'{"question": "q", "expected": "a"}\n')
    (item,) = load_items(asked(path))
    assert item.expected == "a"


def test_all_bad_lines_are_named_together(tmp_path: Path) -> None:
    bad = [
        b"no json",
        b"[]",
        {"expected": "a"},
        {"question": "q"},
        {"messages": [{"role": "robot", "content": "x"}], "expected": "a"},
        {"messages": [ANSWERED]},
    ]
    with pytest.raises(EvaluationError) as told:
        items(tmp_path, {"question": "q", "expected": "a"}, *bad)
    first, *others = told.value.message.splitlines()
    assert first.startswith("q.jsonl:2: is not JSON: ")
    assert others == [
        "q.jsonl:3: is JSON, but not an object",
        "q.jsonl:4: has neither messages nor a question",
        "q.jsonl:5: says nothing that is expected, and exactMatch compares with that",
        "q.jsonl:6: holds a message without a known role",
        "q.jsonl:7: asks nothing: no message of a user before the answer",
    ]
    for method, row, said in (
        ("toolCall", {"question": "q", "expected": "{"}, "no JSON"),
        ("toolCall", {"question": "q", "expected": [{"arguments": {}}]}, "without a name"),
        ("multipleChoice", {"question": "q", "expected": "a"}, "has 0 choices"),
        ("multipleChoice", {"question": "q", "choices": ["x", "y"], "expected": "z"}, "none of"),
    ):
        with pytest.raises(EvaluationError, match=said):
            items(tmp_path, row, method=method)
    with pytest.raises(EvaluationError, match="holds no question"):
        items(tmp_path)
    with pytest.raises(EvaluationError, match="No such file"):
        load_items(asked(tmp_path / "none.jsonl"))


def test_tool_calls_are_expected_as_they_were_recorded(tmp_path: Path) -> None:
    recorded = {"id": "1", "function": {"name": "look", "arguments": '{"id": 1}'}}
    tools = [{"type": "function", "function": {"name": "look"}}]
    row = {"messages": [USER, {"role": "assistant", "tool_calls": [recorded]}], "tools": tools}
    (item,) = items(tmp_path, row, method="toolCall")
    assert item.expected == [{"name": "look", "arguments": {"id": 1}}]
    assert item.request({"max_tokens": 9}) == {
        "messages": [USER],
        "temperature": 0,
        "max_tokens": 9,
        "tools": tools,
    }


def test_a_set_goes_to_a_child_process_and_back(tmp_path: Path) -> None:
    one = replace(asked(tmp_path), parameters={"seed": 1}, settings={"pattern": "x"})
    assert QuestionSet.from_json(orjson.loads(orjson.dumps(one.to_json()))) == one
