"""`erase` and calls on their way: what waits in a log is taken in first, or nothing is erased."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from loopwright.lake.capture.call_log import CallLog
from loopwright.lake.capture.records import CapturedCall
from loopwright.lake.keys import MasterKey
from loopwright.lake.store import Lake
from support.local_worlds import Loopwright

ALICE = "alice@example.com"
NOW = 1_790_000_000_000_000


@pytest.fixture
def log(project: Path) -> Iterator[CallLog]:
    """The log of a gateway with calls of Alice and of Bob; what they said is done with."""
    master = MasterKey.from_file(project / ".loopwright/keys/main.key")
    lake = Lake.open(project / "lake", master=master)
    log = CallLog.open(
        project / ".loopwright/default/spool/main", lake=lake, gateway_id="gateway-1"
    )
    for number, subject in enumerate((ALICE, "bob", ALICE, "bob")):
        ticket = log.accept("chat", call_id=f"live-{number}", ts=NOW)
        request = {"messages": [{"role": "user", "content": f"live {number}"}], "user": subject}
        columns = {"ts": NOW, "outcome": "ok"}
        log.record(
            CapturedCall(
                ticket=ticket,
                request=orjson.dumps(request),
                response=b'{"choices":[]}',
                subject=subject,
                columns=columns,
            )
        )
    log.feedback(
        {
            "feedback_id": "f",
            "call_id": "live-0",
            "ts": NOW,
            "endpoint": "chat",
            "name": "note",
            "kind": "comment",
            "text": "hm",
            "source": "app",
        }
    )
    yield log
    log.close()


def calls(loopwright: Loopwright) -> int:
    return int(json.loads(loopwright("lake", "status", "--json")[1])[0]["calls"])


def test_calls_of_a_dead_gateway_are_taken_in_and_erased(
    loopwright: Loopwright, log: CallLog
) -> None:
    log.close()
    before = calls(loopwright)
    code, out, err = loopwright("erase", "--subject", ALICE, "--yes")
    assert code == 0, err
    assert "Lake main: 2 calls and 1 row of feedback go" in out
    assert calls(loopwright) == before + 2  # Bob's came in
    code, out, _ = loopwright("lake", "audit")
    assert code == 0, out


def test_nothing_is_erased_while_a_living_gateway_holds_calls(
    loopwright: Loopwright, log: CallLog, project: Path
) -> None:
    before = calls(loopwright)
    code, _, err = loopwright("erase", "--subject", ALICE, "--yes")
    assert (code, calls(loopwright)) == (1, before)
    assert "still on their way into the lake" in err
    assert not (project / "lake/erasures").exists()
    assert os.listdir(project / ".loopwright/default/spool/main/gateway-1")
