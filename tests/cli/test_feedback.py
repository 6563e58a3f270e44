"""`loopwright feedback`: what is said of a call lies in the lake that holds it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from loopwright.daemon.declared import DaemonFolder, Declared
from loopwright.lake.keys import MasterKey
from loopwright.lake.store import Lake
from support.local_worlds import Loopwright


@pytest.fixture
def lake(project: Path) -> Lake:
    return Lake.open(
        project / "lake", master=MasterKey.from_file(project / ".loopwright/keys/main.key")
    )


@pytest.fixture
def call_id(lake: Lake) -> str:
    return str(next(lake.snapshot().scan(["call_id"]))["call_id"][0].as_py())


def held(lake: Lake) -> dict[str, dict[str, Any]]:
    columns = ["call_id", "endpoint", "name", "kind", "value_bool", "value_num", "source", "text"]
    batches = list(lake.snapshot().feedback(columns, purpose="test"))
    return {row["name"]: row for batch in batches for row in batch.to_pylist()}


def test_each_thing_that_is_said_is_a_row(
    loopwright: Loopwright, lake: Lake, call_id: str, tmp_path: Path
) -> None:
    (tmp_path / "better.txt").write_text("Better so.")
    code, out, _ = loopwright(
        "feedback", call_id, "--score", "0.5", "--bad", "--correct", f"@{tmp_path}/better.txt"
    )
    assert (code, out) == (0, f"score, good, correction on {call_id}: kept in Lake/main.\n")
    code, _, _ = loopwright(
        "feedback", call_id, "--name", "tone", "--comment", "too short", "--source", "judge"
    )
    rows = held(lake)
    assert code == 0
    assert {row["call_id"] for row in rows.values()} == {call_id}
    assert {row["endpoint"] for row in rows.values()} <= {"chat", "客服聊天"}
    assert (rows["score"]["value_num"], rows["good"]["value_bool"]) == (0.5, False)
    assert orjson.loads(rows["correction"]["text"]) == {
        "role": "assistant",
        "content": "Better so.",
    }
    assert (rows["tone"]["text"], rows["tone"]["source"]) == ("too short", "judge")


def test_a_whole_assistant_message_is_kept_as_it_is(
    loopwright: Loopwright, lake: Lake, call_id: str
) -> None:
    message = '{"role": "assistant", "tool_calls": []}'
    loopwright("feedback", call_id, "--correct", message)
    assert held(lake)["correction"]["text"] == message


def test_the_delivery_of_the_endpoint_redacts_feedback_too(
    loopwright: Loopwright, lake: Lake, call_id: str, project: Path
) -> None:
    for endpoint in ("chat", "客服聊天"):
        spec = {"endpoint": endpoint, "lake": "main", "redaction": {"detectors": ["email"]}}
        name = f"d{len(endpoint)}"
        DaemonFolder(project / ".loopwright/default").deliveries.put(Declared(name, "me", spec))
    assert loopwright("feedback", call_id, "--comment", "write to bob@example.com")[0] == 0
    text = held(lake)["comment"]["text"]
    assert text.startswith("write to [EMAIL_")


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["no-such-call", "--good"], 1, "no lake here holds the call no-such-call"),
        (["CALL"], 2, "say something"),
        (["CALL", "--score", "nan"], 1, "cannot have the value nan"),
        (["CALL", "--comment", "@/no/such/file"], 1, "cannot read /no/such/file"),
    ],
)
def test_what_cannot_be_kept_is_told(
    loopwright: Loopwright, lake: Lake, call_id: str, arguments: list[str], code: int, says: str
) -> None:
    given = [call_id if one == "CALL" else one for one in arguments]
    found, out, err = loopwright("feedback", *given)
    assert (found, out) == (code, "")
    assert says in err
    assert lake.status().feedback == 0
