"""The recorded calls of the quickstart: made again alike, well formed, and as their page says."""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import banking77
import pytest

HOME = Path(__file__).resolve().parents[2] / "manifests" / "calls"
CALLS = HOME / "support-desk.jsonl.gz"
TEACHER = ("ticket-router", "teacher-large")
LABELS = re.compile(
    r'\{"queue":"(account|app|billing|hardware|returns|shipping)",'
    r'"priority":"(low|normal|urgent)",'
    r'"site":"(beijing|berlin|chengdu|london|online|shanghai|shenzhen|singapore)"\}'
)
REACHABLE = re.compile(r"[\w.]+@[\w.]+\w|\b\d{3}-\d{4}\b|\b1[3-9]\d{9}\b")
RESERVED = re.compile(r"[\w.]+@example\.(com|org)|555-01\d\d")


@pytest.fixture(scope="module")
def lines() -> list[str]:
    return gzip.decompress(CALLS.read_bytes()).decode().splitlines()


@pytest.fixture(scope="module")
def calls(lines: list[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines]


def test_the_script_makes_the_committed_calls_again(tmp_path: Path) -> None:
    made = tmp_path / "made.jsonl.gz"
    subprocess.run([sys.executable, HOME / "make_calls.py", "--out", made], check=True)
    assert gzip.decompress(made.read_bytes()) == gzip.decompress(CALLS.read_bytes())


def test_another_seed_makes_other_calls(tmp_path: Path, lines: list[str]) -> None:
    made = tmp_path / "made.jsonl.gz"
    subprocess.run(
        [sys.executable, HOME / "make_calls.py", "--out", made, "--seed", "1"], check=True
    )
    others = gzip.decompress(made.read_bytes()).decode().splitlines()
    assert len(others) == pytest.approx(len(lines), rel=0.03)
    assert not set(others) & set(lines)


def test_every_line_has_one_of_the_two_shapes(calls: list[dict[str, Any]]) -> None:
    for call in calls:
        if "messages" in call:
            assert call.keys() >= {"endpoint", "model", "created", "user", "usage"}
        else:
            assert call.keys() == {"timestamp", "endpoint", "client_id", "request", "response"}
        assert all(set(message) >= {"role", "content"} for message in asked(call))
        if (reply := answer(call)) is not None:
            assert reply["role"] == "assistant"
            assert reply["content"] or reply["tool_calls"]


def test_each_tool_call_has_json_arguments_and_each_earlier_one_its_result(
    calls: list[dict[str, Any]],
) -> None:
    for call in calls:
        history = asked(call)
        results = [message["tool_call_id"] for message in history if message["role"] == "tool"]
        made = [one for message in history for one in message.get("tool_calls", ())]
        assert results == [one["id"] for one in made]
        for one in [*made, *(answer(call) or {}).get("tool_calls", ())]:
            assert isinstance(json.loads(one["function"]["arguments"]), dict)


def test_a_session_grows_turn_by_turn(calls: list[dict[str, Any]]) -> None:
    longest: dict[str, list[Any]] = {}
    for call in calls:
        if call["endpoint"] == "support-chat" and answer(call) and (name := session(call)):
            before = longest.get(name, [])
            assert asked(call)[: len(before)] == before or asked(call) == before
            longest[name] = asked(call)


def test_only_reserved_addresses_and_numbers_appear(lines: list[str]) -> None:
    found = [match[0] for line in lines for match in REACHABLE.finditer(line)]
    assert found
    assert [text for text in found if not RESERVED.fullmatch(text)] == []


def test_the_page_states_the_counts(calls: list[dict[str, Any]]) -> None:
    page = (HOME / "README.md").read_text(encoding="utf-8")
    stated = re.findall(r"^\| ([^|]+?) \| ([\d,]+) \|$", page, flags=re.MULTILINE)
    assert {name: int(number.replace(",", "")) for name, number in stated} == counts(calls)


def test_nearly_all_teacher_answers_are_plain_labels_and_all_labels_occur(
    calls: list[dict[str, Any]],
) -> None:
    said = [answer(call)["content"] for call in calls if kind(call) == TEACHER]
    plain = Counter(text for text in said if LABELS.fullmatch(text))
    assert 0.97 < plain.total() / len(said) < 1
    assert max(plain.values()) / plain.total() < 0.05, "one label must not win by majority"
    labels = [json.loads(text) for text in plain]
    values = {field: {one[field] for one in labels} for field in ("queue", "priority", "site")}
    assert [len(values[field]) for field in values] == [6, 3, 8]


def test_banking77_rows_become_exchanges(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text(
        'text,category\n"Where is my card,\nplease?",card_arrival\n¿Top-up?,top_up_failed\n',
        encoding="utf-8",
    )
    out = tmp_path / "calls.jsonl"
    assert banking77.write_calls(tmp_path, out) == 2
    first, second = map(json.loads, out.read_text(encoding="utf-8").splitlines())
    assert [message["content"] for message in first["messages"][1:]] == [
        "Where is my card,\nplease?",
        "card_arrival",
    ]
    assert second["messages"][1]["content"] == "¿Top-up?"
    assert second["created"] > first["created"]


@pytest.mark.skipif(not banking77.SOURCE.is_dir(), reason="the Banking77 files are not here")
def test_the_whole_banking77_training_set_is_written(tmp_path: Path) -> None:
    assert banking77.write_calls(banking77.SOURCE, tmp_path / "calls.jsonl") == 10_003


def counts(calls: list[dict[str, Any]]) -> dict[str, int]:
    chats = [call for call in calls if call["endpoint"] == "support-chat"]
    tools = [call for call in calls if call["endpoint"] == "order-tools"]
    return {
        "lines": len(calls),
        "in the `messages` shape": sum("messages" in call for call in calls),
        "in the `request`/`response` shape": sum("request" in call for call in calls),
        "with a Chinese customer": sum(map(chinese, calls)),
        "tickets answered by `teacher-large`": sum(kind(call) == TEACHER for call in calls),
        "tickets answered by `router-small`": sum(
            kind(call) == ("ticket-router", "router-small") for call in calls
        ),
        "support chats": len(chats),
        "support chats by `mini-2026-09`": sum(kind(c)[1] == "mini-2026-09" for c in chats),
        "support chats by `mini-2026-10`": sum(kind(c)[1] == "mini-2026-10" for c in chats),
        "support chats in a session of several turns": sum(bool(session(c)) for c in chats),
        "calls with tools": len(tools),
        "calls with two tool calls in parallel": sum(
            len((answer(call) or {}).get("tool_calls", ())) == 2 for call in tools
        ),
        "failed calls": sum(answer(call) is None for call in calls),
        "answers cut at the token limit": sum(finish(call) == "length" for call in calls),
        "lines written twice": len(calls) - len({json.dumps(call) for call in calls}),
    }


def asked(call: dict[str, Any]) -> list[dict[str, Any]]:
    return call["messages"][:-1] if "messages" in call else call["request"]["messages"]


def answer(call: dict[str, Any]) -> dict[str, Any] | None:
    """The assistant's message, or None when the call failed."""
    if "messages" in call:
        return call["messages"][-1]
    choices = call["response"].get("choices")
    return choices[0]["message"] if choices else None


def finish(call: dict[str, Any]) -> str | None:
    choices = call.get("response", {}).get("choices")
    return choices[0]["finish_reason"] if choices else None


def kind(call: dict[str, Any]) -> tuple[str, str | None]:
    """The endpoint, and the model that answered if one did."""
    served = call["model"] if "messages" in call else call["response"].get("model")
    return call["endpoint"], served


def session(call: dict[str, Any]) -> str | None:
    return call.get("request", call).get("metadata", {}).get("session_id")


def chinese(call: dict[str, Any]) -> bool:
    said = "".join(message["content"] for message in asked(call) if message["role"] == "user")
    return re.search("[\u4e00-\u9fff]", said) is not None
