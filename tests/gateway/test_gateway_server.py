"""The server's life: other settings under traffic, certificates, draining, what it tells."""

from __future__ import annotations

import asyncio
import http.client
import json
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.x509.oid import NameOID

from loopwright.errors import GatewayError
from loopwright.gateway.principals import key_hash
from loopwright.gateway.server import GatewayServer
from loopwright.gateway.settings import Limits, Principal, Role, Settings, Tls
from support.certificates import certificate
from support.gateways import (
    DELIVERY,
    RunningGateway,
    call_log,
    endpoint,
    gateway_in_thread,
    settings_of,
)
from support.http_clients import call, raw, received, request_bytes
from support.upstreams import MockUpstream, chat_events, echo, streamed, upstream_in_thread
from support.waiting import until

CHAT = "/v1/chat/completions"
QUESTION = {"model": "chat", "messages": [{"role": "user", "content": "hello"}]}


@pytest.fixture
def upstream() -> Iterator[MockUpstream]:
    with upstream_in_thread() as running:
        yield running


@pytest.fixture
def gateway(upstream: MockUpstream) -> Iterator[RunningGateway]:
    with gateway_in_thread(settings_of(endpoint("chat", upstream.url))) as running:
        yield running


def test_settings_change_under_traffic_without_a_failed_request(
    gateway: RunningGateway, upstream: MockUpstream
) -> None:
    statuses: list[int] = []
    done = threading.Event()

    def ask_on_one_connection() -> None:
        host, port = gateway.server.address
        connection = http.client.HTTPConnection(host, port, timeout=30)
        while not done.is_set():
            statuses.append(call(gateway.url + CHAT, QUESTION, connection=connection).status)
        connection.close()

    threads = [threading.Thread(target=ask_on_one_connection) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(30):
        more = endpoint(f"extra-{number}", upstream.url, rpm=100)
        gateway.reload(settings_of(endpoint("chat", upstream.url, model=f"m{number}"), more))
        time.sleep(0.01)
    done.set()
    for thread in threads:
        thread.join(30)
    assert set(statuses) == {200}
    assert len(statuses) > 30
    assert len({asked.json["model"] for asked in upstream.asked}) > 5
    assert list(gateway.server.status()["endpoints"]) == ["chat", "extra-29"]


def test_a_changed_address_is_opened_and_the_old_one_drained(
    gateway: RunningGateway, upstream: MockUpstream
) -> None:
    upstream.behave = lambda request, said: streamed(request, chat_events(said), pause=0.1)
    old = gateway.server.address
    with raw(gateway.url) as sock:
        sock.sendall(request_bytes(CHAT, json.dumps({**QUESTION, "stream": True}).encode()))
        assert b"200 OK" in sock.recv(40)
        gateway.reload(Settings(host="localhost", port=0, endpoints={
            "chat": endpoint("chat", upstream.url)}))  # fmt: skip
        assert gateway.server.address != old
        upstream.behave = None
        assert call(gateway.url + CHAT, QUESTION).status == 200
        seen = b""
        while part := sock.recv(1 << 16):
            seen += part
        assert b"data: [DONE]" in seen
    with pytest.raises(OSError, match="refused"):
        call(f"http://{old[0]}:{old[1]}{CHAT}", QUESTION)


def test_levels_of_limits_survive_a_reload_that_does_not_change_them(
    gateway: RunningGateway, upstream: MockUpstream
) -> None:
    for _ in range(2):
        gateway.reload(settings_of(endpoint("chat", upstream.url, rpm=3)))
        assert call(gateway.url + CHAT, QUESTION).status == 200
    assert call(gateway.url + CHAT, QUESTION).headers["x-ratelimit-remaining-requests"] == "0"
    assert call(gateway.url + CHAT, QUESTION).status == 429
    gateway.reload(settings_of(endpoint("chat", upstream.url, rpm=4)))
    assert call(gateway.url + CHAT, QUESTION).status == 200


def test_keys_are_rotated_without_downtime(gateway: RunningGateway, upstream: MockUpstream) -> None:
    def callers(*keys: str) -> tuple[Principal, ...]:
        hashed = tuple(key_hash(key, salt=b"s") for key in keys)
        return (Principal("team", Role.READER, hashed),)

    def status(key: str) -> int:
        headers = {"authorization": f"Bearer {key}"}
        return call(gateway.url + CHAT, QUESTION, headers=headers).status

    chat = endpoint("chat", upstream.url)
    gateway.reload(settings_of(chat, principals=callers("old")))
    assert [status("old"), status("new"), status("")] == [200, 401, 401]
    gateway.reload(settings_of(chat, principals=callers("old", "new")))
    assert [status("old"), status("new")] == [200, 200]
    gateway.reload(settings_of(chat, principals=callers("new")))
    assert [status("old"), status("new")] == [401, 200]


def test_running_calls_end_before_a_drained_server_does(upstream: MockUpstream) -> None:
    upstream.behave = lambda request, said: streamed(request, chat_events(said), pause=0.1)
    with gateway_in_thread(settings_of(endpoint("chat", upstream.url))) as gateway:
        url = gateway.url
        with raw(url) as busy, raw(url) as idle:
            busy.sendall(request_bytes(CHAT, json.dumps({**QUESTION, "stream": True}).encode()))
            assert b"200 OK" in busy.recv(40)
            gateway.run(gateway.server.drain(20))
            assert idle.recv(10) == b""
            seen = b""
            while part := busy.recv(1 << 16):
                seen += part
            assert seen.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")
        with pytest.raises(OSError, match="refused"):
            call(url + CHAT, QUESTION)


def test_a_call_that_outlasts_the_drain_is_broken_off_and_its_upstream_let_go(
    upstream: MockUpstream,
) -> None:
    async def hang(request: web.Request, said: dict[str, Any]) -> web.StreamResponse:
        await asyncio.sleep(60)
        return await echo(request, said)

    upstream.behave = hang
    with gateway_in_thread(settings_of(endpoint("chat", upstream.url))) as gateway:
        with raw(gateway.url) as sock:
            sock.sendall(request_bytes(CHAT, json.dumps(QUESTION).encode()))
            until(lambda: len(upstream.asked) == 1)
            gateway.run(gateway.server.drain(0.1))
            assert received(sock) == b""
        until(lambda: upstream.dropped == 1)


def test_more_calls_than_may_run_are_told_to_come_back(upstream: MockUpstream) -> None:
    upstream.behave = lambda request, said: streamed(request, chat_events(said), pause=0.2)
    settings = settings_of(endpoint("chat", upstream.url), limits=Limits(running_calls=1))
    with gateway_in_thread(settings) as gateway, raw(gateway.url) as sock:
        sock.sendall(request_bytes(CHAT, json.dumps({**QUESTION, "stream": True}).encode()))
        assert b"200 OK" in sock.recv(40)
        refused = call(gateway.url + CHAT, QUESTION)
        assert (refused.status, refused.code) == (503, "overloaded")
        assert refused.headers["retry-after"] == "1"


def test_tls_is_served_renewed_and_switched_on_and_off(
    tmp_path: Path, upstream: MockUpstream
) -> None:
    chat = endpoint("chat", upstream.url)
    first, second = certificate("first"), certificate("second")
    served = Tls(tmp_path / "cert.pem", tmp_path / "key.pem")
    install(first, served)
    with gateway_in_thread(settings_of(chat, tls=served)) as gateway:
        port = gateway.server.address[1]
        assert gateway.url == f"https://127.0.0.1:{port}"
        assert common_name(port) == "first"
        install(second, served)
        gateway.reload(settings_of(chat, tls=served))
        assert common_name(port) == "second"
        served.key.write_text("no key at all")
        with pytest.raises(GatewayError, match="certificate"):
            gateway.reload(settings_of(chat, tls=served))
        assert common_name(port) == "second"
        gateway.reload(settings_of(chat))
        assert call(f"http://127.0.0.1:{port}{CHAT}", QUESTION).status == 200
        install(first, served)
        gateway.reload(settings_of(chat, tls=served))
        assert common_name(port) == "first"


def test_an_https_upstream_has_to_show_a_certificate_that_is_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = Tls(tmp_path / "cert.pem", tmp_path / "key.pem")
    install(certificate("upstream"), files)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(files.cert, files.key)
    with upstream_in_thread(tls=context) as upstream:
        chat = endpoint("chat", upstream.url)
        with gateway_in_thread(settings_of(chat)) as gateway:
            assert call(gateway.url + CHAT, QUESTION).code == "upstream_unreachable"
        monkeypatch.setenv("SSL_CERT_FILE", str(files.cert))
        with gateway_in_thread(settings_of(chat)) as gateway:
            for _ in range(3):
                assert call(gateway.url + CHAT, QUESTION).status == 200


def test_what_cannot_be_served_is_refused_and_the_old_settings_stay(
    gateway: RunningGateway, upstream: MockUpstream
) -> None:
    chat = endpoint("chat", upstream.url)
    taken = gateway.server.address[1]
    with pytest.raises(GatewayError, match="anybody"):
        gateway.reload(Settings(host="0.0.0.0", port=0, endpoints={"chat": chat}))
    with (
        upstream_in_thread() as other,
        pytest.raises(GatewayError, match=f"cannot listen on 127.0.0.1:{other.port}"),
    ):
        gateway.reload(Settings(port=other.port, endpoints={}))
    assert gateway.server.address[1] == taken
    assert call(gateway.url + CHAT, QUESTION).status == 200
    with pytest.raises(GatewayError, match="anybody"):
        GatewayServer(Settings(host="::", endpoints={}), logs={})


def nested(depth: int) -> list[Any]:
    inner: list[Any] = []
    for _ in range(depth):
        inner = [inner]
    return inner


def test_calls_and_feedback_reach_the_log_and_the_metrics(
    tmp_path: Path, upstream: MockUpstream
) -> None:
    chat = endpoint("chat", upstream.url, delivery=DELIVERY)
    other = endpoint("other", upstream.url, delivery=DELIVERY)
    with call_log(tmp_path) as log:
        with gateway_in_thread(settings_of(chat, other), logs={"calls": log}) as gateway:
            call_id = call(gateway.url + CHAT, QUESTION).headers["x-loopwright-call-id"]
            said = {"call_id": call_id, "score": 0.5, "comment": "fine", "source": "human"}
            told = call(f"{gateway.url}/v1/feedback", said)
            assert told.status == 200
            assert len(told.json["ids"]) == 2
            long_ago = {**said, "call_id": "0190-from-long-ago"}
            assert call(f"{gateway.url}/v1/feedback", long_ago).status == 400
            assert call(f"{gateway.url}/other/v1/feedback", long_ago).status == 200
            for wrong in (
                {"call_id": call_id},
                {"score": 1},
                {**said, "score": "much"},
                {**said, "call_id": "no id at all", "endpoint": "chat"},
                {**said, "rating": 5},
                {**said, "endpoint": "nobody"},
                {**said, "correction": {"role": "user", "content": "x"}},
                {**said, "correction": {"content": nested(400)}},
            ):
                assert call(f"{gateway.url}/v1/feedback", wrong).status in (400, 404)
            metrics = call(f"{gateway.url}/metrics").body.decode()
        assert log.stats().delivered == 1
    for line in (
        'loopwright_gateway_requests_total{code="200",endpoint="chat",'
        'model_version="upstream-model"} 1.0',
        'loopwright_gateway_tokens_total{endpoint="chat",type="input"} 7.0',
        'loopwright_gateway_request_duration_seconds_count{endpoint="chat"} 1.0',
        'loopwright_gateway_overhead_seconds_count{endpoint="chat"} 1.0',
        'loopwright_capture_records_total{lake="calls",outcome="delivered",reason=""} 1.0',
        'loopwright_capture_queue_depth{lake="calls"}',
        'loopwright_capture_oldest_unflushed_seconds{lake="calls"}',
        'loopwright_capture_bytes_total{lake="calls"}',
    ):
        assert line in metrics, line
    assert call_id not in metrics


@pytest.mark.parametrize("stream", [False, True])
def test_with_fail_closed_an_answer_waits_for_its_record(
    tmp_path: Path, upstream: MockUpstream, stream: bool
) -> None:
    chat = endpoint("chat", upstream.url, delivery=replace(DELIVERY, fail_closed=True))
    with call_log(tmp_path) as log:
        with gateway_in_thread(settings_of(chat), logs={"calls": log}) as gateway:
            answer = call(gateway.url + CHAT, {**QUESTION, "stream": stream})
            assert answer.status == 200
            assert b"hello" in answer.body
            assert log.stats().delivered == 1
        with gateway_in_thread(settings_of(chat)) as gateway:
            refused = call(gateway.url + CHAT, {**QUESTION, "stream": stream})
            assert (refused.status, refused.code) == (503, "capture_refused")
    assert len(upstream.asked) == 1


def test_a_trace_goes_on_or_begins(gateway: RunningGateway, upstream: MockUpstream) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    parent = f"00-{trace}-00f067aa0ba902b7-01"
    call(gateway.url + CHAT, QUESTION, headers={"traceparent": parent, "tracestate": "a=1"})
    call(gateway.url + CHAT, QUESTION, headers={"traceparent": "garbage"})
    kept, begun = (asked.headers for asked in upstream.asked)
    assert kept["traceparent"].startswith(f"00-{trace}-")
    assert kept["traceparent"] != parent
    assert kept["tracestate"] == "a=1"
    assert len(begun["traceparent"]) == 55


def test_what_names_the_client_or_its_key_stays_here(
    gateway: RunningGateway, upstream: MockUpstream
) -> None:
    hidden = {
        "authorization": "Bearer client-key", "cookie": "a=b", "x-forwarded-for": "10.1.2.3",
        "x-api-key": "client-key", "connection": "keep-alive, x-hop", "x-hop": "1",
    }  # fmt: skip
    call(gateway.url + CHAT, QUESTION, headers={**hidden, "x-own": "kept", "user-agent": "me"})
    seen = upstream.asked[0].headers
    assert seen["x-own"] == "kept"
    assert seen["user-agent"] == "me"
    assert seen["authorization"] == "Bearer sk-upstream-secret"
    for name in ("cookie", "x-forwarded-for", "x-api-key", "x-hop"):
        assert name not in seen


def test_health_is_told_without_a_key_on_this_machine(upstream: MockUpstream) -> None:
    callers = (Principal("team", Role.READER, (key_hash("k", salt=b"s"),)),)
    settings = settings_of(endpoint("chat", upstream.url), principals=callers)
    with gateway_in_thread(settings) as gateway:
        assert call(f"{gateway.url}/healthz").json == {"status": "ok"}
        assert call(f"{gateway.url}/metrics").status == 200
        assert call(f"{gateway.url}/v1/models").status == 401


def install(pair: tuple[bytes, bytes], tls: Tls) -> None:
    tls.cert.write_bytes(pair[0])
    tls.key.write_bytes(pair[1])


def common_name(port: int) -> str:
    """Of the certificate that is served now, after a call over it."""
    pem = ssl.get_server_certificate(("127.0.0.1", port))
    context = ssl.create_default_context(cadata=pem)
    context.check_hostname = False
    connection = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=30)
    answer = call(f"https://127.0.0.1:{port}{CHAT}", QUESTION, connection=connection)
    connection.close()
    assert answer.status == 200
    names = x509.load_pem_x509_certificate(pem.encode()).subject
    return str(names.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)
