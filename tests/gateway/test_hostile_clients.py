"""Clients that are slow, huge, broken or gone: they cost what the limits say, and nobody else."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright.gateway.settings import Limits
from support.gateways import RunningGateway, endpoint, gateway_in_thread, settings_of
from support.http_clients import call, raw, received, request_bytes
from support.upstreams import MockUpstream, chat_events, streamed, streaming, upstream_in_thread
from support.waiting import until

CHAT = "/v1/chat/completions"
LIMITS = Limits(body_bytes=100_000, header_bytes=4_000, connections=1_100, header_seconds=1.0)
QUESTION = {"model": "chat", "messages": [{"role": "user", "content": "hello"}]}


@pytest.fixture
def upstream() -> Iterator[MockUpstream]:
    with upstream_in_thread() as running:
        yield running


@pytest.fixture
def gateway(upstream: MockUpstream) -> Iterator[RunningGateway]:
    with gateway_in_thread(settings_of(endpoint("chat", upstream.url), limits=LIMITS)) as running:
        yield running


def is_serving(gateway: RunningGateway) -> bool:
    return call(f"{gateway.url}{CHAT}", QUESTION).status == 200


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 9, 400, "invalid_http"),
        (b"GET / HTTP/9.9\r\n\r\n", 400, "invalid_http"),
        (request_bytes(CHAT, b"{}", "content-length: 9"), 400, "invalid_http"),
        (b"GET /" + b"a" * 9_000 + b" HTTP/1.1\r\n\r\n", 431, "headers_too_large"),
        (request_bytes(CHAT, b"{}", "x-bomb: " + "b" * 9_000), 431, "headers_too_large"),
        (b"GET / HTTP/1.1\r\n" + b"x-many: 1\r\n" * 9_000, 431, "headers_too_large"),
        (request_bytes(CHAT, b"{}", "x-bomb: \x00"), 400, "invalid_http"),
        (request_bytes(CHAT, b"x" * 200_000), 413, "request_too_large"),
        (
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"
            + b"8000\r\n" + b"x" * 0x8000 + (b"\r\n8000\r\n" + b"x" * 0x8000) * 4,
            413,
            "request_too_large",
        ),
    ],
)  # fmt: skip
def test_a_broken_or_huge_request_is_refused_in_the_apis_shape(
    gateway: RunningGateway, sent: bytes, status: int, code: str
) -> None:
    with raw(gateway.url) as sock:
        sock.sendall(sent)
        answer = received(sock)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status} ".encode()), answer[:200]
    assert json.loads(body)["error"]["code"] == code
    assert b"\r\nx-loopwright-call-id: 0" in head
    assert is_serving(gateway)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "not valid JSON"),
        (b'{"model": "chat", "secret-word"', "not valid JSON"),
        (b"[1, 2]", "not a JSON object"),
        (b'{"model": 7}', "not a string"),
        (b'{"messages": []}', "provide a `model`"),
        (b"[" * 50_000, "not valid JSON"),
        (b'{"model": "chat", "x": "\xff"}', "not valid JSON"),
    ],
)
def test_a_body_that_is_no_request_is_a_400_that_does_not_quote_it(
    gateway: RunningGateway, body: bytes, says: str
) -> None:
    answer = call(f"{gateway.url}{CHAT}", body)
    assert answer.status == 400
    assert says in answer.json["error"]["message"]
    assert b"secret-word" not in answer.body
    assert is_serving(gateway)


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/", None, 404),
        ("/v1/nothing", {}, 404),
        ("/a/b/v1/chat/completions", {}, 404),
        (CHAT, None, 405),
        ("/v1/models", {}, 405),
        ("/nobody/v1/chat/completions", {}, 404),
        ("/v1/models/nobody", None, 404),
    ],
)
def test_a_wrong_path_or_method_is_told_so(
    gateway: RunningGateway, path: str, body: object, status: int
) -> None:
    answer = call(f"{gateway.url}{path}", body)
    assert answer.status == status
    assert answer.json["error"]["message"]
    assert len(answer.headers["x-loopwright-call-id"]) == 36


@pytest.mark.parametrize("beginning", [b"", b"POST /v1/ch", request_bytes(CHAT, b"x" * 50)[:-30]])
def test_a_client_that_takes_too_long_to_ask_is_let_go(
    gateway: RunningGateway, beginning: bytes
) -> None:
    with raw(gateway.url) as sock:
        sock.sendall(beginning)
        answer = received(sock)
    assert answer.startswith(b"HTTP/1.1 408 ")


def test_a_client_that_sends_one_byte_now_and_then_is_let_go(gateway: RunningGateway) -> None:
    answer = b""
    with raw(gateway.url) as sock:
        sock.settimeout(0.05)
        for byte in request_bytes(CHAT, b"x" * 1000):
            sock.sendall(bytes([byte]))
            with suppress(TimeoutError):
                answer = sock.recv(1 << 16)
                break
    assert answer.startswith(b"HTTP/1.1 408 ")


def test_a_thousand_idle_connections_hold_nobody_up(gateway: RunningGateway) -> None:
    with ExitStack() as stack:
        for _ in range(1000):
            stack.enter_context(raw(gateway.url))
        assert is_serving(gateway)
        until(lambda: gateway.server.status()["connections"] == 0)
    assert is_serving(gateway)


def test_more_connections_than_the_limit_are_told_so(upstream: MockUpstream) -> None:
    settings = settings_of(endpoint("chat", upstream.url), limits=Limits(connections=3))
    with gateway_in_thread(settings) as gateway, ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(raw(gateway.url))
        until(lambda: gateway.server.status()["connections"] == 3)
        with raw(gateway.url) as sock:
            assert received(sock).startswith(b"HTTP/1.1 503 ")


def test_a_client_that_closes_its_half_or_goes_away_ends_the_upstreams_work(
    gateway: RunningGateway, upstream: MockUpstream
) -> None:
    upstream.behave = lambda request, said: streamed(
        request, chat_events(said, pieces=["word "] * 5000), pause=0.01
    )
    body = json.dumps({**QUESTION, "stream": True}).encode()
    for goodbye in (lambda sock: sock.shutdown(socket.SHUT_WR), lambda sock: sock.close()):
        dropped = upstream.dropped
        with raw(gateway.url) as sock:
            sock.sendall(request_bytes(CHAT, body))
            assert b"200 OK" in sock.recv(1 << 10)
            goodbye(sock)
            until(lambda dropped=dropped: upstream.dropped == dropped + 1)  # type: ignore[misc]
    until(lambda: gateway.server.status()["running_calls"] == 0)
    until(lambda: gateway.log_lines.count(b'"outcome":"client_abort"') == 2)
    upstream.behave = None
    assert is_serving(gateway)


def test_a_client_that_does_not_read_stops_the_upstream_and_costs_no_memory(
    gateway: RunningGateway, upstream: MockUpstream
) -> None:
    sent = 0

    async def pieces() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(2000):
            yield b"data: " + b"x" * 65_000 + b"\n\n"
            sent += 1

    upstream.behave = lambda request, said: streaming(request, pieces())
    with raw(gateway.url) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.sendall(request_bytes(CHAT, json.dumps({**QUESTION, "stream": True}).encode()))
        assert b"200 OK" in sock.recv(100)
        before = -1
        while sent != before:
            before = sent
            time.sleep(0.3)
        assert sent < 500
    upstream.behave = None
    assert is_serving(gateway)


def test_requests_in_one_packet_are_answered_one_after_the_other(gateway: RunningGateway) -> None:
    one = request_bytes(CHAT, json.dumps(QUESTION).encode())
    last = request_bytes(CHAT, json.dumps(QUESTION).encode(), "connection: close")
    with raw(gateway.url) as sock:
        sock.sendall(one + one + last)
        assert received(sock).count(b"HTTP/1.1 200 OK") == 3


def test_a_page_of_another_site_may_not_use_a_gateway_without_keys(
    gateway: RunningGateway,
) -> None:
    url = f"{gateway.url}{CHAT}"
    assert call(url, QUESTION, headers={"origin": "https://evil.example"}).code == "foreign_origin"
    assert call(url, QUESTION, headers={"origin": "http://localhost:3000"}).status == 200


WHOLE = request_bytes(CHAT, json.dumps(QUESTION).encode())


@settings(max_examples=60)
@given(st.data())
def test_no_mangled_request_stops_the_gateway(gateway: RunningGateway, data: st.DataObject) -> None:
    mangled = bytearray(WHOLE)
    for _ in range(data.draw(st.integers(1, 6))):
        start = data.draw(st.integers(0, len(mangled)))
        mangled[start : start + data.draw(st.integers(0, 9))] = data.draw(st.binary(max_size=9))
    with raw(gateway.url) as sock:
        sock.settimeout(0.02)
        with suppress(OSError):
            sock.sendall(mangled)
            sock.recv(1 << 16)
    assert is_serving(gateway)
