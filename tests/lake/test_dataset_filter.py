"""The population of a dataset: filters, cuts and SQL conditions over metadata."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dataset_calls as made
import orjson
import pytest

from loopwright.errors import DatasetError, LakeKeyError
from loopwright.lake.datasets.condition import Condition
from loopwright.lake.datasets.estimating import estimate
from loopwright.lake.datasets.lines import Lines
from loopwright.lake.ingest import append_feedback
from loopwright.lake.keys import MasterKey, Role
from loopwright.lake.snapshot import Snapshot
from loopwright.lake.store import Lake

DAY = 24 * 60  # calls are a minute apart


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """Calls 0 to 99 over two days and two endpoints, in three files of ingest."""
    calls = [
        made.record(
            number * 30,
            text=f"text {number}",
            call_id=f"call-{number:02}",
            endpoint="chat" if number % 2 else "search",
            model_version=f"m-{number % 3}",
            input_tokens=number,
            tags={"team": "red" if number < 10 else "blue"},
        )
        for number in range(100)
    ]
    return made.make_lake(tmp_path_factory.mktemp("filter") / "lake", *made.cut_up(calls, 3))


def matched(snapshot: Snapshot, **chosen: Any) -> set[int]:
    recipe = made.recipe(sampling={"ratio": 1}, filter=chosen)
    found = {int(one.call_id[5:]) for one in Lines(snapshot, recipe, purpose="test")}
    assert estimate(snapshot, recipe).matched == len(found)
    return found


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ({}, set(range(100))),
        ({"from": "2026-03-02"}, set(range(48, 100))),
        ({"to": "2026-03-02"}, set(range(48))),
        ({"from": "2026-03-01T01:00:00Z", "to": "2026-03-01T02:00:00Z"}, {2, 3}),
        ({"from": "2026-03-01T02:00:00Z"}, set(range(4, 100))),
        ({"to": "2026-03-01T02:00:00Z"}, set(range(4))),
        ({"from": "2027-01-01"}, set()),
        ({"endpoints": ["search"]}, set(range(0, 100, 2))),
        ({"endpoints": ["chat", "search"]}, set(range(100))),
        ({"modelVersions": ["m-0"]}, set(range(0, 100, 3))),
        ({"endpoints": ["search"], "modelVersions": ["m-0"], "to": "2026-03-02"},
         set(range(0, 48, 6))),
        ({"where": "input_tokens >= 90 OR tags['team'] = 'red'"},
         {*range(10), *range(90, 100)}),
        ({"where": "ts < '2026-03-01 01:00' -- in UTC"}, {0, 1}),
        ({"where": "calls.endpoint LIKE 'sea%' and Input_Tokens < 5"}, {0, 2, 4}),
    ],
)  # fmt: skip
def test_a_filter_matches_exactly_the_calls_it_names(
    lake: Lake, chosen: dict[str, Any], expected: set[int]
) -> None:
    assert matched(lake.snapshot(), **chosen) == expected


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ({"tags": {"team": "red"}}, set(range(10))),
        ({"tags": {"team": "red", "city": "x"}}, set()),
        ({"tokens": {"input": {"min": 90}}}, set(range(90, 100))),
        ({"tokens": {"total": {"min": 15, "max": 16}}}, {10, 11}),  # five of output each
        ({"tokens": {"output": {"max": 4}}}, set()),
        ({"outcomes": ["ok"]}, set(range(100))),
        ({"outcomes": ["timeout"]}, set()),
        ({"feedback": [{"name": "score", "atLeast": 0.5}]}, {2, 3}),
        ({"feedback": [{"name": "score", "atMost": 0.5}]}, {1, 2}),
        ({"feedback": [{"name": "score", "equals": 1}]}, {3}),
        ({"feedback": [{"name": "score"}, {"name": "queue", "equals": "card"}]}, {2}),
        ({"feedback": [{"name": "good", "equals": True}]}, {4}),
        ({"feedback": [{"name": "good", "equals": False}]}, {5}),
        ({"feedback": [{"name": "good", "equals": True, "source": "app"}]}, {5}),
        ({"feedback": [{"name": "good", "atLeast": 0}]}, set()),
        ({"feedback": [{"name": "unheard"}]}, set()),
        ({"feedback": [{"name": "good"}], "endpoints": ["chat"], "where": "input_tokens < 9"}, {5}),
    ],
)  # fmt: skip
def test_a_filter_asks_for_tags_tokens_outcomes_and_feedback(
    judged: Lake, chosen: dict[str, Any], expected: set[int]
) -> None:
    assert matched(judged.snapshot(), **chosen) == expected


@pytest.fixture(scope="module")
def judged(lake: Lake) -> Lake:
    """Scores of 1 to 3, a label of 2, and opinions of 4 and 5 that changed; the newest last."""
    said = [
        (1, "score", {"kind": "float", "value_num": 0.25}),
        (2, "score", {"kind": "float", "value_num": 0.5}),
        (3, "score", {"kind": "float", "value_num": 1.0}),
        (2, "queue", {"kind": "label", "value_label": "card"}),
        (1, "queue", {"kind": "label", "value_label": "other"}),
        (4, "good", {"kind": "bool", "value_bool": False}),
        (4, "good", {"kind": "bool", "value_bool": True}),
        (5, "good", {"kind": "bool", "value_bool": True, "source": "app"}),
        (5, "good", {"kind": "bool", "value_bool": False}),
    ]
    rows = [
        {
            "feedback_id": f"f{number}",
            "call_id": f"call-{call:02}",
            "ts": made.START + made.timedelta(days=3, minutes=number),
            "endpoint": "chat",
            "name": name,
            "source": "human",
            **value,
        }
        for number, (call, name, value) in enumerate(said)
    ]
    append_feedback(lake, rows[::-1])
    return lake


def test_a_cut_inside_a_file_hides_what_came_later(lake: Lake) -> None:
    assert len(matched(lake.snapshot(through=40))) == 40
    assert len(matched(lake.snapshot(through=40), where="true")) == 40


def test_the_reader_role_can_estimate_but_not_build(judged: Lake) -> None:
    lake = judged
    master = MasterKey.from_file(lake.root.with_name("lake.key"))
    snapshot = Lake.open(lake.root, master=master, role=Role.READER).snapshot()
    recipe = made.recipe(sampling={"count": 10}, filter={"where": "input_tokens > 5"})
    assert estimate(snapshot, recipe).rows == (10, 10)
    scored = {"feedback": [{"name": "score"}], "tags": {"team": "red"}}
    told = made.recipe(sampling={"ratio": 1}, filter=scored, heldOut={"suite/a/set": "sha256:1"})
    assert estimate(snapshot, told).rows == (0, 3)  # questions are held against text alone
    with pytest.raises(LakeKeyError, match="role"):
        list(Lines(snapshot, recipe, purpose="test"))


@pytest.mark.parametrize(
    ("expression", "told"),
    [
        ("input_tokens >", "syntax error"),
        ("1=1) UNION SELECT 1 FROM calls WHERE (true", "more than a condition"),
        ("true) GROUP BY ALL HAVING (true", "more than a condition"),
        ("1=1) OR (1=1", "syntax error"),
        ("true); DROP TABLE calls; SELECT (1", "more than one statement"),
        ("true) -- ", "syntax error"),
        ("endpoint IN (SELECT endpoint FROM calls)", "subquery"),
        ("EXISTS (FROM read_text('/etc/passwd'))", "subquery"),
        ("row_number() OVER () < 3", "window"),
        ("input_tokens > $1", "parameter"),
        ("COLUMNS(*) IS NULL", "star"),
        ("random() < 0.5", r"random\(\)"),
        ("ts > now()", r"now\(\)"),
        ("ts > ago(INTERVAL 1 DAY)", r"ago\(\)"),
        ("ts > current_timestamp", "current_timestamp"),
        ("count(*) > 1", r"count_star\(\)"),
        ("no_such_function(model)", "no_such_function"),
        ("request LIKE '%secret%'", "'request'"),
        ("subject_key = 1", "'subject_key'"),
        ("seq < 10", "'seq'"),
        ("input_tokens = 'many'", "Conversion Error"),
    ],
)
def test_a_condition_that_is_not_about_one_call_is_refused(expression: str, told: str) -> None:
    with pytest.raises(DatasetError, match=told):
        Condition(expression)


def test_a_misspelt_column_is_told_the_nearest_one() -> None:
    with pytest.raises(DatasetError) as caught:
        Condition("endpiont = 'chat'")
    assert "endpoint" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("schema", "told"),
    [({"type": "strin"}, "not a JSON Schema"), ({"$ref": "https://example.com/x"}, "refers to")],
)
def test_a_response_schema_that_cannot_be_used_is_refused(
    lake: Lake, schema: dict[str, Any], told: str
) -> None:
    calls = [made.record(1, answer={"role": "assistant", "content": "{}"})]
    lake = made.make_lake(lake.root.with_name(f"lake-{told[:3]}"), calls)
    recipe = made.recipe(sampling={"ratio": 1}, filter={"responseSchema": schema})
    with pytest.raises(DatasetError, match=told):
        list(Lines(lake.snapshot(), recipe, purpose="test"))


def test_a_response_schema_keeps_answers_that_satisfy_it(tmp_path: Path) -> None:
    answers = ['{"mood": "glad"}', '{"mood": 3}', "glad", None]
    calls = [
        made.record(number, answer={"role": "assistant", "content": answer, "tool_calls": []})
        for number, answer in enumerate(answers)
    ]
    schema = {"required": ["mood"], "properties": {"mood": {"type": "string"}}}
    recipe = made.recipe(sampling={"ratio": 1}, filter={"responseSchema": schema})
    lines = Lines(made.make_lake(tmp_path / "lake", calls).snapshot(), recipe, purpose="test")
    assert [sample.call_id for sample in lines] == ["call-00000"]
    assert lines.tally.dropped == {"response_schema": 3}
    assert estimate(lines.snapshot, recipe).rows == (0, 4)


@pytest.mark.parametrize(
    ("schema", "answer"),
    [
        ({"properties": {"queue": {"pattern": "^(a|aa)+$"}}}, {"queue": "a" * 45 + "!"}),
        (
            {"patternProperties": {"^(a|aa)+$": {}}, "additionalProperties": False},
            {"a" * 45 + "!": 1},
        ),
    ],
)
def test_a_pattern_that_never_ends_costs_its_line_and_not_the_build(
    tmp_path: Path, schema: dict[str, Any], answer: dict[str, Any]
) -> None:
    said = [orjson.dumps(one).decode() for one in (answer, {})]
    calls = [made.record(n, answer={"role": "assistant", "content": one})
             for n, one in enumerate(said)]  # fmt: skip
    lake = made.make_lake(tmp_path / "lake", calls)
    recipe = made.recipe(sampling={"ratio": 1}, filter={"responseSchema": schema})
    lines = Lines(lake.snapshot(), recipe, purpose="test")
    assert len(list(lines)) == 1
    assert lines.tally.dropped == {"response_schema": 1}
