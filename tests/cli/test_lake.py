"""`loopwright lake`: what lies in a lake and is on its way, whether it is whole, and its calls."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from loopwright.cli import run
from loopwright.lake.capture.call_log import CallLog
from loopwright.lake.capture.recorder import Recorder
from loopwright.lake.capture.records import CapturedCall, Excluded, Lost
from loopwright.lake.keys import MasterKey
from loopwright.lake.store import Lake
from loopwright.planning.render.width import display_width
from support.local_worlds import Loopwright, line, write_lines


def test_a_lake_is_told_by_day_and_endpoint_in_straight_columns(loopwright: Loopwright) -> None:
    code, out, _ = loopwright("lake", "status")
    head, _, rows = out.partition("\n\n")
    assert code == 0
    assert head.startswith("Lake/main  in lake\n  calls       31 in 2 files")
    columns = {display_width(row.partition(size)[0]) for row, size in _sizes(rows)}
    assert len(columns) == 1
    assert [row.split()[1:3] for row in rows.splitlines()[1:]] == [
        ["chat", "11"],
        ["客服聊天", "20"],
    ]

    _, text, _ = loopwright("lake", "status", "main", "--json")
    (told,) = json.loads(text)
    assert (told["calls"], told["lastSeq"], told["visibleSeq"]) == (31, 31, 31)
    assert {part["endpoint"]: part["rows"] for part in told["partitions"]} == {
        "chat": 11,
        "客服聊天": 20,
    }
    assert len(told["keyIds"]) == 2


def test_a_sound_lake_verifies_and_a_damaged_file_is_named(
    loopwright: Loopwright, project: Path
) -> None:
    code, out, _ = loopwright("lake", "verify", "Lake/main")
    assert (code, out) == (0, "Lake/main is as it was written: 2 files, 31 calls.\n")
    path = next((project / "lake/calls").rglob("*.parquet"))
    path.write_bytes(path.read_bytes()[:-1])
    code, out, _ = loopwright("lake", "verify")
    assert code == 1
    assert path.name in out


def test_merging_changes_no_dataset(loopwright: Loopwright, project: Path) -> None:
    assert "nothing to merge" in loopwright("lake", "compact")[1]
    write_lines(project / "calls.jsonl", (line(n) for n in range(100, 103)))
    all_yaml = project / "all.yaml"
    run(["apply", str(all_yaml), "--project", str(project), "--yes", "--wait"])
    loopwright("lake", "status")
    assert "2 files became 1, with 14 calls in them." in loopwright("lake", "compact")[1]
    assert loopwright("lake", "verify")[0] == 0
    assert loopwright("dataset", "verify", "set@v1")[0] == 0


def test_an_unknown_lake_is_told_with_those_there_are(loopwright: Loopwright) -> None:
    code, _, err = loopwright("lake", "verify", "mian")
    assert code == 1
    assert "there is no lake 'mian' here" in err
    assert "main" in err.splitlines()[1]
    loopwright("state", "rm", "Lake/main")
    assert "make one with `loopwright apply`" in loopwright("lake", "compact")[2]
    assert loopwright("lake", "status") == (0, "", "No lake on this machine is recorded.\n")


class Gateway:
    """Captures calls for the project's lake, as the daemon would."""

    def __init__(self, project: Path) -> None:
        key = MasterKey.from_file(project / ".loopwright/keys/main.key", create=False)
        self.lake = Lake.open(project / "lake", master=key)
        self.spool = project / ".loopwright/default/spool"
        self.log = CallLog.open(self.spool / "main", lake=self.lake, gateway_id="gw")

    def call(self, call_id: str, *, outcome: str = "ok", text: str = "hello") -> None:
        now = int(datetime.now(UTC).timestamp() * 1_000_000)
        ticket = self.log.accept("live", call_id=call_id, ts=now)
        call = CapturedCall(
            ticket=ticket,
            request=json.dumps({"messages": [{"role": "user", "content": text}]}).encode(),
            response=b'{"choices":[{"message":{"role":"assistant","content":"hi"}}]}',
            columns={"ts": now, "outcome": outcome, "latency_ms": 12},
        )
        self.log.record(call)

    def record(self) -> None:
        self.log.rotate()
        self.log.commit().result(timeout=60)
        assert not Recorder(self.spool, lambda name: self.lake).step().problems


@pytest.fixture
def gateway(project: Path) -> Iterator[Gateway]:
    made = Gateway(project)
    yield made
    made.log.close()


def test_recent_calls_are_listed_newest_first_without_text(
    loopwright: Loopwright, gateway: Gateway
) -> None:
    gateway.call("older", text="a secret")
    gateway.call("newer", outcome="timeout")
    code, out, err = loopwright("lake", "calls", "--limit", "3")
    assert (code, "2 more calls wait in the log" in err) == (0, True)
    assert "older" not in out
    gateway.record()
    code, out, err = loopwright("lake", "calls", "--limit", "3")
    assert (code, err) == (0, "")
    rows = out.splitlines()[1:]
    assert [row.split()[-1] for row in rows[:2]] == ["newer", "older"]
    assert (len(rows), "secret" in out) == (3, False)
    for options, wanted in (
        (("--outcome", "timeout"), ["newer"]),
        (("--since", "1h"), ["newer", "older"]),
        (("--endpoint", "live", "--limit", "1"), ["newer"]),
    ):
        told = json.loads(loopwright("lake", "calls", "--json", *options)[1])
        assert [row["call_id"] for row in told] == wanted
    assert "no such calls" in loopwright("lake", "calls", "--endpoint", "nobody")[2]


def test_one_call_is_opened_on_request_and_that_is_recorded(
    loopwright: Loopwright, gateway: Gateway
) -> None:
    gateway.call("it", text="what is \x1b[31m this")
    _, _, err = loopwright("lake", "calls", "--open", "it")
    assert "there is no call it in the lake" in err
    assert "1 call is still in the log" in err
    gateway.record()
    code, out, _ = loopwright("lake", "calls", "--open", "it")
    assert code == 0
    assert "user:\n    what is \\x1b[31m this\n" in out
    assert "assistant:\n    hi\n" in out
    assert "\x1b" not in out
    assert gateway.lake.audit.openings()[-1].purpose == "lake calls --open it"
    told = json.loads(loopwright("lake", "calls", "--open", "it", "--json")[1])
    assert (told["endpoint"], told["latency_ms"], told["gateway_id"]) == ("live", 12, "gw")


def test_an_audit_accounts_for_every_call_and_fails_on_a_gap(
    loopwright: Loopwright, project: Path, gateway: Gateway
) -> None:
    gateway.call("one")
    gateway.log.exclude(gateway.log.accept("live", call_id="out", ts=0), Excluded.RATE)
    gateway.log.lose(gateway.log.accept("live", call_id="gone", ts=0), Lost.DEFECT)
    gateway.record()
    gateway.call("two")
    code, out, _ = loopwright("lake", "audit")
    assert code == 0
    assert out.splitlines()[1].split() == [
        "gw",
        "live",
        "4",
        "1",
        "1",
        "1",
        "rate",
        "1",
        "defect",
        "0",
    ]
    assert "lost: gateway gw, endpoint live, defect: 3" in out
    assert "all 4 accepted calls are accounted for, 1 of them lost" in out

    (line,) = (project / "lake/ledger").glob("*.jsonl")
    whole = line.read_bytes()
    line.write_bytes(whole.replace(b"defect", b"killed"))
    code, out, _ = loopwright("lake", "audit", "--json")
    told = json.loads(out)
    assert (code, told["complete"]) == (1, False)
    assert "was changed" in told["findings"][0]
    line.write_bytes(whole)
    data = next((project / "lake/calls").rglob("*.parquet"))
    whole = data.read_bytes()
    for spoil in (lambda: data.write_bytes(whole[:-1]), data.unlink):
        spoil()
        code, out, _ = loopwright("lake", "audit")
        assert (code, "does not add up" in out, out.count(data.name)) == (1, True, 1)


def test_calls_of_a_lake_that_was_replaced_are_listed(
    loopwright: Loopwright, project: Path, gateway: Gateway
) -> None:
    gateway.call("late")
    old, key = gateway.lake, MasterKey.from_file(project / ".loopwright/keys/main.key")
    gateway.lake = Lake.create(project / "new", master=key)
    gateway.record()
    out = loopwright("lake", "status")[1]
    assert f"left over   1 call for the lake {old.lake_id}" in out
    assert "on the way  nothing" in out
    _, _, noted = loopwright("lake", "audit")
    assert "Not this lake's: 1 call" in noted
    gateway.lake = old
    gateway.record()
    assert "left over" not in loopwright("lake", "status")[1]


def test_of_many_gateways_those_whose_calls_are_in_place_are_told_together(
    loopwright: Loopwright, project: Path, gateway: Gateway
) -> None:
    for _ in range(21):
        one = Gateway(project)
        one.call(one.log.gateway_id)
        one.log.close()
    gateway.log.accept("live", call_id="running", ts=0)
    gateway.record()
    code, out, _ = loopwright("lake", "audit")
    rows = [" ".join(row.split()) for row in out.partition("\n\n")[0].splitlines()[1:]]
    assert (code, rows) == (0, ["21 settled live 21 21 0 0 0 0", "gw live 1 0 1 0 0 0"])
    every = loopwright("lake", "audit", "--all")[1].partition("\n\n")[0]
    assert len(every.splitlines()) == 23


def test_status_tells_what_is_on_the_way_and_folds_many_days(
    loopwright: Loopwright, gateway: Gateway
) -> None:
    gateway.call("one")
    _, out, _ = loopwright("lake", "status")
    assert "on the way  1 call in the log" in out
    assert "s behind now" in out, "complete is what lies in the lake and has nothing older to come"
    assert "1 log open" in out
    for day in range(25):
        ticket = gateway.log.accept("live", call_id=f"day-{day}", ts=0)
        columns = {"ts": 1_790_000_000_000_000 + day * 86_400_000_000, "outcome": "ok"}
        gateway.log.record(
            CapturedCall(ticket=ticket, request=b"{}", response=b"{}", columns=columns)
        )
    gateway.record()
    _, out, _ = loopwright("lake", "status")
    assert "on the way  nothing; 1 log open" in out
    assert "gateway gw: recorded segment 1" in out
    folded = out.partition("DAY (UTC)")[2].splitlines()[1:]
    assert (len(folded), folded[0].split()[0]) == (21, "until")
    every = loopwright("lake", "status", "--all")[1].partition("DAY (UTC)")[2].splitlines()[1:]
    assert len(every) >= 27
    (told,) = json.loads(loopwright("lake", "status", "--json")[1])
    assert (told["log"]["calls"], told["ledger"][0]["lastLine"]["what"]) == (0, "recorded")


def _sizes(rows: str) -> list[tuple[str, str]]:
    return [(row, " ".join(row.split()[-2:])) for row in rows.splitlines()[1:]]
