"""What a call leaves in the log: all of it, redacted, and never at the caller's expense."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import json
import logging
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopwright.errors import CaptureError
from loopwright.gateway.capturing import Arrival, Timings, Usage, begin, is_recorded
from loopwright.gateway.settings import Delivery, Redaction
from loopwright.lake.capture.call_log import CallLog
from loopwright.lake.capture.recorder import Recorder
from loopwright.lake.capture.records import CapturedCall, Excluded, Lost, Ticket
from loopwright.lake.columns import METADATA_COLUMNS, TEXT_COLUMNS
from loopwright.lake.exchange import HashKeys, described
from loopwright.lake.keys import MasterKey
from loopwright.lake.store import Lake

KEYS = HashKeys(subject=b"s" * 32, content=b"c" * 32)
NOW = 1_790_000_000_000_000
SECRETS = Redaction(("email", "phone", "idCard", "bankCard", "apiKey", "ip"))
REQUEST = {"model": "support", "messages": [{"role": "user", "content": "hello"}]}
ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1_700_000_000,
    "model": "m-2026",
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}
    ],
    "usage": {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9},
}
TIMINGS = Timings(latency_ms=12, ttft_ms=4, overhead_us=300)
JSON_TYPE, EVENT_TYPE = "application/json", "text/event-stream; charset=utf-8"


class ListLog:
    """A log in memory that can refuse, or break."""

    gateway_id = "g1"
    hash_keys = KEYS

    def __init__(self, *, fails: Exception | None = None, refuses: Lost | None = None) -> None:
        self.calls: list[CapturedCall] = []
        self.excluded: list[str] = []
        self.lost: list[str] = []
        self.refused_only: list[bool] = []
        self.commits: list[Future[None]] = []
        self._fails, self._refuses = fails, refuses
        self._seq = itertools.count(1)

    def accept(self, endpoint: str, *, call_id: str, ts: int, or_refuse: bool = False) -> Ticket:
        if self._refuses:
            self.refused_only.append(or_refuse)
            raise CaptureError("no", reason=self._refuses)
        return Ticket(endpoint, next(self._seq), call_id)

    def exclude(self, ticket: Ticket, reason: Excluded) -> None:
        self.excluded.append(reason)

    def lose(self, ticket: Ticket, reason: Lost) -> None:
        self.lost.append(reason)

    def record(self, call: CapturedCall) -> None:
        if self._fails:
            raise self._fails
        self.calls.append(call)

    def commit(self) -> Future[None]:
        self.commits.append(Future())
        return self.commits[-1]


def arrival(request: dict[str, Any] = REQUEST, **facts: Any) -> Arrival:
    plain = {"call_id": "c1", "ts": NOW, "endpoint": "support", "operation": "chat", "headers": {}}
    return Arrival(**plain | {"body": orjson.dumps(request), "request": request} | facts)


def delivery(**facts: Any) -> Delivery:
    return Delivery(**{"name": "all", "lake": "main"} | facts)


def run(
    log: Any,
    pieces: Sequence[bytes] = (orjson.dumps(ANSWER),),
    *,
    arrived: Arrival | None = None,
    into: Delivery | None = None,
    status: int | None = 200,
    content_type: str = JSON_TYPE,
    encoding: str = "",
    outcome: str = "ok",
) -> Usage:
    """One call from begin to end; `status` None: nobody answered."""
    recording = begin(arrived or arrival(), into or delivery(), log)
    if status is not None:
        recording.answered(status, content_type, content_encoding=encoding, variant="m-large")
    for piece in pieces:
        recording.chunk(piece)
    asyncio.run(recording.end(outcome, timings=TIMINGS))
    return recording.usage


def row(log: ListLog) -> dict[str, Any]:
    """The only call as the recorder will see it."""
    (call,) = log.calls
    columns = described(call.operation, call.request, call.response, keys=KEYS) | call.columns
    return columns | {name: orjson.loads(columns[name]) for name in ("request", "response")}


def sse(*chunks: Any, done: bool = True) -> bytes:
    lines = [orjson.dumps(chunk) for chunk in chunks] + ([b"[DONE]"] if done else [])
    return b"".join(b"data: " + line + b"\n\n" for line in lines)


def said(content: str, reason: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": {"content": content}, "finish_reason": reason}
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "choices": [choice]}


def test_a_call_is_recorded_byte_for_byte_with_what_is_known_of_it() -> None:
    log = ListLog()
    body = orjson.dumps(REQUEST, option=orjson.OPT_INDENT_2)
    arrived = arrival(
        body=body,
        trace_id="a" * 32,
        span_id="b" * 16,
        client_request_id="r-1",
        principal="ops",
        model_requested="support",
        config_digest=b"d" * 16,
    )
    answer = orjson.dumps(ANSWER, option=orjson.OPT_INDENT_2)
    usage = run(
        log, [answer[:50], answer[50:]], arrived=arrived, into=delivery(policy_version="v1")
    )
    (call,) = log.calls
    assert (call.request, call.response) == (body, answer)
    assert usage == Usage(7, 2, estimated=False)
    assert call.columns == {
        "ts": NOW,
        "gateway_id": "g1",
        "gateway_seq": 1,
        "trace_id": "a" * 32,
        "span_id": "b" * 16,
        "client_request_id": "r-1",
        "model_requested": "support",
        "variant": "m-large",
        "config_digest": b"d" * 16,
        "stream": False,
        "http_status": 200,
        "outcome": "ok",
        "latency_ms": 12,
        "ttft_ms": 4,
        "overhead_us": 300,
        "capture_policy": "all@v1",
        "capture_rate": 1.0,
    }


def test_a_stream_is_recorded_as_the_answer_it_was() -> None:
    log = ListLog()
    usage_chunk = {"choices": [], "usage": ANSWER["usage"]}
    stream = sse(said("h"), said("i"), said("", "stop"), usage_chunk)
    arrived = arrival({**REQUEST, "stream": True}, stream=True)
    usage = run(log, [bytes([one]) for one in stream], arrived=arrived, content_type=EVENT_TYPE)
    found = row(log)
    assert found["response"]["choices"] == ANSWER["choices"]
    assert (found["stream"], found["finish_reason"], found["output_tokens"]) == (True, "stop", 2)
    assert usage == Usage(7, 2, estimated=False)


@pytest.mark.parametrize(
    ("pieces", "given", "outcome", "error_type", "response"),
    [
        ([sse(said("Hel"), done=False)], {"outcome": "client_abort"}, "client_abort", None, "Hel"),
        ([sse(said("Hel"), done=False)], {"outcome": "timeout"}, "timeout", None, "Hel"),
        ([sse(said("Hel"), done=False)], {}, "upstream_error", "stream_cut", "Hel"),
        ([sse(said("x", "content_filter"))], {}, "filtered", None, "x"),
        (
            [sse(said("Hel"), {"error": {"type": "server_error", "message": "m"}})],
            {},
            "upstream_error",
            "server_error",
            "Hel",
        ),
    ],
)
def test_how_a_stream_ended_is_recorded(
    pieces: list[bytes], given: dict[str, str], outcome: str, error_type: str, response: str
) -> None:
    log = ListLog()
    run(log, pieces, content_type=EVENT_TYPE, **given)
    found = row(log)
    assert (found["outcome"], found.get("error_type")) == (outcome, error_type)
    assert found["response"]["choices"][0]["message"]["content"] == response
    assert found["response"].get("partial", False) is (outcome != "filtered")


def test_errors_and_silence_are_recorded_as_such() -> None:
    log = ListLog()
    error = {"error": {"message": "slow down", "type": "rate_limit", "code": "r"}}
    run(log, [orjson.dumps(error)], status=429)
    found = row(log)
    assert (found["outcome"], found["http_status"], found["error_type"]) == (
        "upstream_error",
        429,
        "rate_limit",
    )
    log = ListLog()
    run(log, [], status=None, outcome="timeout")
    found = row(log)
    assert (found["outcome"], found["response"]) == ("timeout", {"partial": True})
    assert found["http_status"] is None, "nobody answered"


@pytest.mark.parametrize(
    ("operation", "answer", "given", "error_type"),
    [
        ("chat", b"<html>Sign in</html>", {}, "bad_answer"),
        ("chat", orjson.dumps(ANSWER)[:-9], {}, "bad_answer"),
        ("chat", b"", {}, "bad_answer"),
        ("chat", b"[1]", {}, "bad_answer"),
        ("chat", b'{"result": "hi"}', {}, "bad_answer"),
        ("chat", b'{"unreadable": "mine"}', {}, "bad_answer"),
        ("chat", b"data: [DONE]\n\n", {"content_type": EVENT_TYPE}, "bad_answer"),
        ("chat", b"not packed", {"encoding": "gzip"}, "bad_answer"),
        ("completion", b'{"data": [1]}', {}, "bad_answer"),
        ("embeddings", b'{"choices": [{}]}', {}, "bad_answer"),
        ("embeddings", b'{"data": [{"embedding": [0.5]}]}', {}, None),
        ("completion", b'{"choices": [{"text": "hi"}]}', {}, None),
        ("chat", b"\x0b\x02\x80", {"encoding": "br"}, None),
    ],
)
def test_an_answer_without_an_answer_in_it_is_the_upstreams_error(
    operation: str, answer: bytes, given: dict[str, str], error_type: str | None
) -> None:
    log = ListLog()
    run(log, [answer], arrived=arrival(operation=operation), **given)
    found = row(log)
    assert found["outcome"] == ("upstream_error" if error_type else "ok")
    assert (found.get("error_type"), found["http_status"]) == (error_type, 200)


def test_answers_that_are_not_what_they_should_be_are_kept_as_text() -> None:
    log = ListLog()
    run(log, [b"<html>bad \xff gateway</html>"], status=502, content_type="text/html")
    assert row(log)["response"] == {"text": "<html>bad \\xff gateway</html>"}
    log = ListLog()
    run(log, [sse(said("x", "stop"))], content_type="application/json")
    assert row(log)["response"]["choices"][0]["message"]["content"] == "x"


def test_packed_answers_are_unpacked_or_left_out() -> None:
    packed = gzip.compress(orjson.dumps(ANSWER))
    log = ListLog()
    run(log, [packed[:20], packed[20:]], encoding="gzip")
    assert row(log)["response"] == ANSWER
    log = ListLog()
    run(log, [b"\x0b\x02\x80"], encoding="br")
    assert row(log)["response"] == {"unreadable": "br", "bytes": 3}
    log = ListLog()
    run(log, [b"no gzip at all"], encoding="gzip")
    assert row(log)["response"] == {"unreadable": "damaged", "bytes": 0}


def test_an_answer_that_unpacks_to_far_more_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loopwright.gateway.capturing.LARGEST_ANSWER", 1000)
    log = ListLog()
    run(log, [gzip.compress(b"x" * 10_000_000)], encoding="gzip")
    assert row(log)["response"] == {"text": "x" * 1000, "truncated": True}


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_tokens_of_long_streams_are_counted_though_nobody_records_them(pack: Any) -> None:
    counted = {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 90_000}}
    stream = pack(sse(*[said("word ")] * 20_000, counted))
    recording = begin(arrival(), None, None)
    recording.answered(200, EVENT_TYPE, content_encoding="gzip" if pack is gzip.compress else "")
    for at in range(0, len(stream), 60_000):
        recording.chunk(stream[at : at + 60_000])
    asyncio.run(recording.end("ok", timings=TIMINGS))
    assert recording.usage == Usage(3, 90_000, estimated=False)


def pseudonym(subject: str) -> str:
    return f"user-{KEYS.subject_key(subject):016x}"


def test_the_subject_of_a_header_has_a_pseudonym_in_the_request() -> None:
    log = ListLog()
    headers = {"x-user-id": "alice", "x-loopwright-session": "s-9"}
    run(log, arrived=arrival(headers=headers), into=delivery(subject_header="X-User-Id"))
    found = row(log)
    assert found["subject_key"] == KEYS.subject_key("alice")
    assert found["request"] == {**REQUEST, "user": pseudonym("alice")}
    assert found["session_id"] == "s-9"
    assert log.calls[0].subject is None  # the raw id does not leave the gateway beside the text


@pytest.mark.parametrize("field", ["user", "safety_identifier"])
def test_the_subject_of_the_body_is_found(field: str) -> None:
    log = ListLog()
    request = {**REQUEST, field: "bob", "metadata": {"session_id": "s-1"}}
    run(log, arrived=arrival(request), into=delivery(subject_header="x-user-id"))
    found = row(log)
    assert found["subject_key"] == KEYS.subject_key("bob")
    assert (found["request"], found["session_id"]) == ({**request, field: pseudonym("bob")}, "s-1")


@given(st.from_regex(r"[a-z]{8,12}[ -][0-9]{4,6}", fullmatch=True), st.data())
def test_the_id_of_the_subject_is_never_sealed_in_the_clear(
    subject: str, data: st.DataObject
) -> None:
    """Wherever it is named, with detectors or without: found by its key, told by its pseudonym."""
    field = data.draw(st.sampled_from(["user", "safety_identifier", "customer", "header"]))
    others = data.draw(st.sets(st.sampled_from(["user", "safety_identifier"])))
    request = {**REQUEST, **dict.fromkeys(others, f"other {subject}"), field: subject}
    headers, into = {}, delivery(redaction=data.draw(st.sampled_from([SECRETS, Redaction()])))
    if field == "header":
        request.pop("header")
        headers, into = {"x-user-id": subject}, replace(into, subject_header="X-User-Id")
    elif field == "customer":
        into = replace(into, subject_field="customer")
    elif field == "safety_identifier":
        request.pop("user", None)
    log = ListLog()
    run(log, arrived=arrival(request, headers=headers), into=into)
    found = row(log)
    assert found["subject_key"] == KEYS.subject_key(subject)
    assert found["request"]["user" if field == "header" else field] == pseudonym(subject)
    assert subject not in json.dumps(found, default=repr)


def test_a_number_names_a_subject_too() -> None:
    log = ListLog()
    run(log, arrived=arrival({**REQUEST, "user": 4711}), into=delivery())
    found = row(log)
    assert found["request"]["user"] == pseudonym("4711")
    assert found["subject_key"] == KEYS.subject_key("4711")


def test_only_the_share_of_the_rate_is_recorded_and_every_token_counted() -> None:
    log = ListLog()
    into = delivery(rate=0.25)
    for number in range(400):
        assert run(log, arrived=arrival(call_id=f"c{number}"), into=into).output_tokens == 2
    assert 60 < len(log.calls) < 140
    assert len(log.calls) + len(log.excluded) == 400
    assert all(is_recorded(call.ticket.call_id, 0.3) for call in log.calls)


def test_without_a_delivery_tokens_are_counted_and_nothing_else() -> None:
    recording = begin(arrival(), None, None)
    recording.answered(200, EVENT_TYPE)
    recording.chunk(sse(said("four score and seven", "stop")))
    asyncio.run(recording.end("ok", timings=TIMINGS))
    assert recording.usage == Usage(2, 5, estimated=True)


def test_what_breaks_in_here_is_lost_and_told_without_its_text(
    caplog: pytest.LogCaptureFixture,
) -> None:
    log = ListLog(fails=ValueError("a@example.com is in the message"))
    with caplog.at_level(logging.DEBUG):
        run(log)
    assert log.lost == [Lost.DEFECT]
    assert "a@example.com" not in caplog.text
    (told,) = [record for record in caplog.records if record.name.startswith("loopwright")]
    assert vars(told)["where"].startswith("ValueError at test_capturing.py:")
    log = ListLog(fails=CaptureError("full", reason=Lost.DISK))
    run(log)
    assert log.lost == [Lost.DISK]


def test_a_defect_in_gathering_costs_the_answer_and_not_the_row(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(self: Any, data: bytes) -> None:
        raise RuntimeError(data.decode())

    monkeypatch.setattr("loopwright.gateway.answers.Answer.add", broken)
    log = ListLog()
    run(log, [b"a@example.com", b"more"])
    found = row(log)
    assert (found["outcome"], found["response"]) == ("ok", {"unreadable": "defect"})
    assert "a@example.com" not in caplog.text


def test_a_log_that_takes_no_marker_stops_no_call_unless_fail_closed() -> None:
    log = ListLog(refuses=Lost.SPOOL_FULL)
    assert run(log).output_tokens == 2
    assert run(None).output_tokens == 2
    for refusing in (log, None):
        with pytest.raises(CaptureError):
            begin(arrival(), delivery(fail_closed=True), refusing)
    assert log.refused_only == [False, True], "what is not served is not accepted"


@pytest.mark.parametrize("error", [ValueError("x"), CaptureError("x", reason=Lost.DISK)])
def test_fail_closed_tells_when_a_call_is_not_recorded(error: Exception) -> None:
    log = ListLog(fails=error)
    with pytest.raises(CaptureError):
        run(log, into=delivery(fail_closed=True))
    assert len(log.lost) == 1


def test_fail_closed_waits_until_the_record_is_durable() -> None:
    log = ListLog()

    async def call() -> list[bool]:
        recording = begin(arrival(), delivery(fail_closed=True), log)
        recording.answered(200, JSON_TYPE)
        recording.chunk(orjson.dumps(ANSWER))
        ending = asyncio.create_task(recording.end("ok", timings=TIMINGS))
        while not log.commits:
            await asyncio.sleep(0)
        before = ending.done()
        log.commits[0].set_result(None)
        await ending
        return [before, ending.done()]

    assert asyncio.run(call()) == [False, True]


def test_a_call_is_recorded_once_however_often_it_ends() -> None:
    log = ListLog()
    recording = begin(arrival(), delivery(), log)

    async def end_twice() -> None:
        await recording.end("client_abort", timings=TIMINGS)
        await recording.end("ok", timings=TIMINGS)

    asyncio.run(end_twice())
    assert [call.columns["outcome"] for call in log.calls] == ["client_abort"]


PLANTED = st.sampled_from(
    (
        "alice@example.com",
        "13800138000",
        "010-88886666",
        "11010519491231002X",
        "6222021234567890128",
        "sk-abcdefghijklmnopqrst",
        "192.168.10.25",
    )
)


@given(PLANTED, st.data())
def test_no_planted_value_is_sealed_wherever_it_comes_from(
    planted: str, data: st.DataObject
) -> None:
    """Cut anywhere between two deltas, in tool arguments, names, headers and metadata."""
    cut = data.draw(st.integers(0, len(planted)))
    place = data.draw(st.integers(0, 9))
    request: dict[str, Any] = dict(REQUEST)
    headers, stream = {}, sse(said("ok", "stop"))
    content_type = EVENT_TYPE
    if place == 0:
        request["messages"] = [{"role": "user", "content": [{"type": "text", "text": planted}]}]
    elif place == 1:
        request["user"] = planted
    elif place == 2:
        request["metadata"] = {"session_id": planted, planted: "x"}
    elif place == 3:
        request["model"] = planted
    elif place == 4:
        headers = {"x-user-id": planted, "x-loopwright-session": "of " + planted}
    elif place == 5:
        request["reasoning_effort"] = planted
    elif place == 6:
        stream = sse(said("to " + planted[:cut]), said(planted[cut:] + "!", "stop"))
    elif place == 7:
        arguments = json.dumps({"to": planted, planted: 1})
        calls = [
            {"tool_calls": [{"index": 0, "id": "t", "function": {"name": "f", "arguments": one}}]}
            for one in (arguments[: cut + 3], arguments[cut + 3 :])
        ]
        stream = sse(*({"choices": [{"index": 0, "delta": delta}]} for delta in calls))
    elif place == 8:
        content_type, stream = "text/html", f"<p>{planted}</p>".encode()
    else:
        stream = sse(said("x"), {"error": {"type": planted, "message": planted}})
    log = ListLog()
    arrived = arrival(request, headers=headers, model_requested=request["model"])
    into = delivery(redaction=SECRETS, subject_header="x-user-id")
    run(log, [stream], arrived=arrived, into=into, content_type=content_type)
    columns = row(log)
    assert planted not in json.dumps(columns, default=repr, ensure_ascii=False)
    assert place == 1 or sum(columns["redactions"].values()) >= 1


def test_large_calls_are_redacted_beside_the_loop() -> None:
    """Other calls go on while a megabyte is looked through."""
    log = ListLog()
    request = {"messages": [{"role": "user", "content": "call 13800138000 now, " * 40_000}]}

    async def call() -> int:
        recording = begin(arrival(request), delivery(redaction=SECRETS), log)
        ending = asyncio.create_task(recording.end("ok", timings=TIMINGS))
        turns = 0
        while not ending.done():
            await asyncio.sleep(0)
            turns += 1
        return turns

    assert asyncio.run(call()) > 3
    assert row(log)["redactions"] == {"phone": 40_000}


def test_a_pattern_that_never_ends_holds_up_no_other_call() -> None:
    log = ListLog()
    slow = Redaction(patterns={"slow": re.compile(r"(x+x+)+y")})
    parts = [{"role": "user", "content": "x" * 3_000} for _ in range(60)]
    run(log, arrived=arrival({"messages": parts}), into=delivery(redaction=slow))
    contents = {message["content"] for message in row(log)["request"]["messages"]}
    assert len(contents) == 1
    assert contents.pop().startswith("[SLOW_")


@given(
    st.lists(st.binary(max_size=40) | st.sampled_from([sse(said("x")), b"data: {", b'{"a":'])),
    st.sampled_from([JSON_TYPE, EVENT_TYPE, "", "TEXT/EVENT-STREAM"]),
    st.sampled_from(["", "gzip", "deflate", "br"]),
    st.sampled_from(["ok", "upstream_error", "client_abort", "timeout"]),
    st.booleans(),
)
def test_whatever_upstreams_send_is_recorded_as_json(
    pieces: list[bytes], content_type: str, encoding: str, outcome: str, redacts: bool
) -> None:
    log = ListLog()
    into = delivery(redaction=SECRETS if redacts else Redaction())
    run(log, pieces, into=into, content_type=content_type, encoding=encoding, outcome=outcome)
    assert log.lost == []
    assert isinstance(row(log)["response"], dict | list | int | float | str | bool | None)


WORDS = "model messages user metadata session_id prompt input tools stream role content"
FIELDS = WORDS.split()
ODD = st.recursive(
    st.none() | st.booleans() | st.integers(0, 2**62) | st.floats(allow_nan=False) | PLANTED,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=5)
    ),
    max_leaves=15,
)


@given(
    st.dictionaries(st.sampled_from(FIELDS), ODD, max_size=6),
    st.sampled_from(["chat", "completion", "embeddings"]),
    st.booleans(),
)
def test_whatever_clients_ask_is_recorded(
    request: dict[str, Any], operation: str, redacts: bool
) -> None:
    log = ListLog()
    asked = arrival(request, operation=operation, model_requested=request.get("model"))
    run(log, arrived=asked, into=delivery(redaction=SECRETS if redacts else Redaction()))
    assert log.lost == []
    if not redacts:
        assert log.calls[0].request == orjson.dumps(request)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.create(tmp_path / "lake", master=MasterKey(b"\x07" * 32))


@pytest.fixture
def call_log(lake: Lake, tmp_path: Path) -> Iterator[CallLog]:
    log = CallLog.open(tmp_path / "spool" / "main", lake=lake, gateway_id="g1")
    yield log
    log.close()


def test_a_call_goes_through_log_and_recorder_into_the_lake(
    lake: Lake, call_log: CallLog, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    marker, planted = "zebra-crossing-4711", "alice@example.com"
    request = {**REQUEST, "messages": [{"role": "user", "content": f"{marker} {planted}"}]}
    with caplog.at_level(logging.DEBUG):
        run(
            call_log,
            [sse(said("dear ali"), said("ce@example.com", "stop"))],
            arrived=arrival(request, headers={"x-user-id": planted}),
            into=delivery(redaction=SECRETS, subject_header="x-user-id"),
            content_type=EVENT_TYPE,
        )
        call_log.rotate()
        call_log.commit().result()
        spooled = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
        assert Recorder(tmp_path / "spool", lambda name: lake).step().recorded == 1
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    for place in (spooled, kept, caplog.text.encode()):
        assert marker.encode() not in place
        assert planted.encode() not in place
    (batch,) = lake.snapshot().scan([*METADATA_COLUMNS, *TEXT_COLUMNS], purpose="test")
    (found,) = batch.to_pylist()
    assert planted not in repr(found)
    assert marker in found["request"]
    assert dict(found["redactions"]) == {"email": 2}
    assert found["subject_key"] == lake.hash_keys.subject_key(planted)
    assert (found["call_id"], found["gateway_seq"], found["outcome"]) == ("c1", 1, "ok")
