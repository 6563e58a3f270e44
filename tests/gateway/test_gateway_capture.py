"""From a client's call to a row in the lake: whatever becomes of the call, the row says so."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from loopwright.gateway.settings import Delivery, Endpoint, Redaction, Timeouts, Upstream
from loopwright.lake.capture.recorder import Recorder
from loopwright.lake.keys import MasterKey
from loopwright.lake.store import Lake
from support.gateways import RunningGateway, call_log, gateway_in_thread, settings_of
from support.http_clients import call, raw, request_bytes
from support.upstreams import MockUpstream, chat_events, echo, streamed, upstream_in_thread
from support.waiting import until

CHAT = "/v1/chat/completions"
COLUMNS = (
    "call_id", "outcome", "error_type", "http_status", "stream", "variant", "operation", "ttft_ms",
    "latency_ms", "input_tokens", "output_tokens", "trace_id", "model_requested", "request",
    "response",
)  # fmt: skip
HASTY = Timeouts(connect=1, first_byte=0.4, idle=0.4)
DELIVERY = Delivery(name="all", lake="calls", redaction=Redaction(detectors=("email",)))
PLANTED = "alice@example.com"


def asking(text: str, **more: Any) -> dict[str, Any]:
    return {"model": "chat", "messages": [{"role": "user", "content": text}], **more}


@pytest.fixture
def upstream() -> Iterator[MockUpstream]:
    with upstream_in_thread() as running:
        yield running


def rows_after(
    folder: Path,
    upstream: MockUpstream,
    traffic: Callable[[RunningGateway], None],
    *,
    timeouts: Timeouts = HASTY,
    patience: float = 30,
) -> list[dict[str, Any]]:
    """What the lake holds after `traffic`, in the order of the calls' arrival."""
    upstreams = (Upstream(upstream.url, "m-1", timeouts=timeouts),)
    chat = Endpoint(name="chat", upstreams=upstreams, delivery=DELIVERY)
    with (
        call_log(folder) as log,
        gateway_in_thread(settings_of(chat), logs={"calls": log}) as gateway,
    ):
        traffic(gateway)
        gateway.run(gateway.server.drain(patience))
    assert PLANTED.encode() not in b"".join(
        path.read_bytes() for path in folder.rglob("*") if path.is_file()
    )
    master = MasterKey.from_file(folder / "master")
    result = Recorder(folder / "spool", lambda name: Lake.open(folder / name, master=master)).step()
    assert not result.problems
    snapshot = Lake.open(folder / "calls", master=master).snapshot()
    rows = [row for batch in snapshot.scan(COLUMNS) for row in batch.to_pylist()]
    return sorted(rows, key=lambda row: str(row["call_id"]))


def test_each_call_is_a_row_that_says_how_it_went(tmp_path: Path, upstream: MockUpstream) -> None:
    ids: list[str] = []

    async def fail(request: web.Request, said: dict[str, Any]) -> web.StreamResponse:
        return web.json_response({"error": {"message": "no", "type": "bad"}}, status=400)

    async def hang(request: web.Request, said: dict[str, Any]) -> web.StreamResponse:
        await asyncio.sleep(60)
        return await echo(request, said)

    def traffic(gateway: RunningGateway) -> None:
        url = gateway.url + CHAT
        for body, behave in (
            (asking(f"write to {PLANTED}"), None),
            (asking("one two", stream=True, stream_options={"include_usage": True}), None),
            (asking("fail"), fail),
            (asking("hang"), hang),
        ):
            upstream.behave = behave
            ids.append(call(url, body).headers["x-loopwright-call-id"])

    whole, stream, failed, late = rows_after(tmp_path, upstream, traffic)
    assert [row["call_id"] for row in (whole, stream, failed, late)] == ids
    assert [row["outcome"] for row in (whole, stream, failed, late)] == [
        "ok", "ok", "upstream_error", "timeout",
    ]  # fmt: skip
    assert [row["http_status"] for row in (whole, stream, failed, late)] == [200, 200, 400, 504]
    assert "[EMAIL_" in whole["request"]
    assert "[EMAIL_" in whole["response"]
    assert (whole["input_tokens"], whole["output_tokens"]) == (7, 5)
    assert (whole["variant"], whole["model_requested"]) == ("m-1", "chat")
    assert (whole["stream"], stream["stream"]) == (False, True)
    said = json.loads(stream["response"])
    assert said["choices"][0]["message"]["content"] == "one two "
    assert said["usage"]["total_tokens"] == 12
    assert stream["ttft_ms"] is not None
    assert all(len(row["trace_id"]) == 32 for row in (whole, stream, failed, late))


def test_a_stream_that_its_client_left_is_a_partial_row(
    tmp_path: Path, upstream: MockUpstream
) -> None:
    upstream.behave = lambda request, said: streamed(
        request, chat_events(said, pieces=["word "] * 5000), pause=0.01
    )

    def traffic(gateway: RunningGateway) -> None:
        with raw(gateway.url) as sock:
            sock.sendall(request_bytes(CHAT, json.dumps(asking("go", stream=True)).encode()))
            seen = b""
            while seen.count(b"word ") < 3:
                seen += sock.recv(1 << 12)

    (row,) = rows_after(tmp_path, upstream, traffic)
    assert row["outcome"] == "client_abort"
    said = json.loads(row["response"])
    assert said["partial"] is True
    assert said["choices"][0]["message"]["content"].startswith("word word word ")


def test_a_call_without_an_answer_yet_says_who_left_it(
    tmp_path: Path, upstream: MockUpstream
) -> None:
    async def hang(request: web.Request, said: dict[str, Any]) -> web.StreamResponse:
        await asyncio.sleep(60)
        return await echo(request, said)

    upstream.behave = hang
    held = ExitStack()

    def traffic(gateway: RunningGateway) -> None:
        question = request_bytes(CHAT, json.dumps(asking("go")).encode())
        with raw(gateway.url) as sock:
            sock.sendall(question)
            until(lambda: len(upstream.asked) == 1)
        until(lambda: not gateway.server.status()["running_calls"])
        held.enter_context(raw(gateway.url)).sendall(question)
        until(lambda: len(upstream.asked) == 2)

    with held:
        left, cut = rows_after(tmp_path, upstream, traffic, timeouts=Timeouts(), patience=0.05)
    assert (left["outcome"], left["error_type"], left["http_status"]) == (
        "client_abort",
        None,
        None,
    )
    assert (cut["outcome"], cut["error_type"], cut["http_status"]) == (
        "client_abort",
        "shutdown",
        None,
    )


def test_feedback_of_every_kind_reaches_the_lake_redacted(
    tmp_path: Path, upstream: MockUpstream
) -> None:
    def traffic(gateway: RunningGateway) -> None:
        call_id = call(gateway.url + CHAT, asking("hello")).headers["x-loopwright-call-id"]
        said = {
            "call_id": call_id, "score": 1, "good": False, "label": "rude",
            "correction": f"Better: {PLANTED}", "comment": f"ask {PLANTED}", "source": "human",
        }  # fmt: skip
        assert call(f"{gateway.url}/v1/feedback", said).status == 200

    (row,) = rows_after(tmp_path, upstream, traffic)
    lake = Lake.open(tmp_path / "calls", master=MasterKey.from_file(tmp_path / "master"))
    columns = ("call_id", "name", "kind", "value_num", "value_bool", "value_label", "text")
    found = [one for batch in lake.snapshot().feedback(columns) for one in batch.to_pylist()]
    assert {one["call_id"] for one in found} == {row["call_id"]}
    by_kind = {one["kind"]: one for one in found}
    assert by_kind["float"]["value_num"] == 1
    assert by_kind["bool"]["value_bool"] is False
    assert by_kind["label"]["value_label"] == "rude"
    assert by_kind["comment"]["text"].startswith("ask [EMAIL_")
    answer = json.loads(by_kind["correction"]["text"])
    assert answer["role"] == "assistant"
    assert answer["content"].startswith("Better: [EMAIL_")
