"""Upstreams that fail in every way: clients get an answer they understand, or see a broken one."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from aiohttp import web

from loopwright.gateway.settings import Endpoint, Timeouts, Upstream
from support.gateways import RunningGateway, endpoint, gateway_in_thread, settings_of
from support.http_clients import call, raw, received, request_bytes
from support.upstreams import MockUpstream, chat_events, echo, streaming, upstream_in_thread
from support.waiting import until

CHAT = "/v1/chat/completions"
QUESTION = {"model": "chat", "messages": [{"role": "user", "content": "hello"}]}
STREAMED = {**QUESTION, "stream": True}
HASTY = Timeouts(connect=0.5, first_byte=0.4, idle=0.4)


def hasty(*urls: str) -> Endpoint:
    upstreams = tuple(Upstream(url, "m", timeouts=HASTY) for url in urls)
    return Endpoint(name="chat", upstreams=upstreams)


@pytest.fixture
def upstream() -> Iterator[MockUpstream]:
    with upstream_in_thread() as running:
        yield running


@pytest.fixture
def gateway(upstream: MockUpstream) -> Iterator[RunningGateway]:
    with gateway_in_thread(settings_of(hasty(upstream.url))) as running:
        yield running


@contextmanager
def bytes_server(*answers: bytes) -> Iterator[str]:
    """A server that gives each connection the next of `answers`, whatever it asks, and closes."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        for answer in answers:
            with suppress(OSError):
                connection, _ = listening.accept()
                with connection:
                    connection.recv(1 << 16)
                    connection.sendall(answer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(10)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"garbage that is no HTTP at all\r\n\r\n",
        b"HTTP/1.1 999999 What\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx-huge: " + b"h" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nmany\r\nhello\r\n",
        b"\x16\x03\x01\x00\x05hello",
    ],
)
def test_an_answer_that_is_no_http_is_a_502(answer: bytes) -> None:
    with bytes_server(answer) as url, gateway_in_thread(settings_of(hasty(url))) as gateway:
        refused = call(f"{gateway.url}{CHAT}", QUESTION)
        assert (refused.status, refused.code) == (502, "upstream_broke")
        assert url not in refused.body.decode()


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
    ],
)
def test_an_answer_that_is_cut_is_seen_to_be_cut(answer: bytes) -> None:
    with bytes_server(answer) as url, gateway_in_thread(settings_of(hasty(url))) as gateway:
        with pytest.raises((http.client.HTTPException, OSError)):
            call(f"{gateway.url}{CHAT}", QUESTION)
        until(lambda: b'"outcome":"upstream_error"' in gateway.log_lines)


@pytest.mark.parametrize("status", [400, 403, 404, 418, 422, 429, 500, 503, 529])
def test_an_upstreams_own_error_passes_through_unchanged(
    gateway: RunningGateway, upstream: MockUpstream, status: int
) -> None:
    body = b'{ "error": {"message":  "as it is"} }'

    async def fail(request: web.Request, said: dict[str, Any]) -> web.StreamResponse:
        headers = {"retry-after": "7", "content-type": "application/json"}
        return web.Response(status=status, body=body, headers=headers)

    upstream.behave = fail
    answer = call(f"{gateway.url}{CHAT}", QUESTION)
    assert (answer.status, answer.body) == (status, body)
    assert answer.headers["retry-after"] == "7"
    assert len(upstream.asked) == 1


def test_a_wrong_content_type_and_a_huge_line_pass_through(
    gateway: RunningGateway, upstream: MockUpstream
) -> None:
    async def page(request: web.Request, said: dict[str, Any]) -> web.StreamResponse:
        return web.Response(body=b"<html>" + b"x" * 3_000_000, content_type="text/html")

    upstream.behave = page
    answer = call(f"{gateway.url}{CHAT}", STREAMED)
    assert (answer.status, len(answer.body)) == (200, 3_000_006)
    assert answer.headers["content-type"] == "text/html"


def test_events_are_given_on_at_once_and_none_waits_for_the_next(
    gateway: RunningGateway, upstream: MockUpstream
) -> None:
    steps: asyncio.Queue[None] = asyncio.Queue()
    events = chat_events(STREAMED, pieces=["one", "two", "three"])

    async def stepwise() -> Any:
        for one in events:
            await asyncio.wait_for(steps.get(), 20)
            yield one

    upstream.behave = lambda request, said: streaming(request, stepwise())
    patient = settings_of(endpoint("chat", upstream.url))
    gateway.reload(patient)
    with raw(gateway.url) as sock:
        sock.sendall(request_bytes(CHAT, json.dumps(STREAMED).encode()))
        seen = b""
        while b"\r\n\r\n" not in seen:
            seen += sock.recv(1 << 16)
        for one in events:
            upstream_loop(upstream, steps)
            while one not in seen:
                seen += sock.recv(1 << 16)


def test_a_stream_that_falls_silent_ends_with_an_error_event(
    gateway: RunningGateway, upstream: MockUpstream
) -> None:
    async def silent() -> Any:
        yield chat_events(STREAMED)[0]
        await asyncio.sleep(60)

    upstream.behave = lambda request, said: streaming(request, silent())
    answer = call(f"{gateway.url}{CHAT}", STREAMED)
    last = answer.body.rstrip(b"\n").split(b"\n\n")[-1]
    assert json.loads(last.removeprefix(b"data: "))["error"]["code"] == "upstream_timeout"
    until(lambda: b'"outcome":"timeout"' in gateway.log_lines)


def test_a_stream_cut_within_an_event_breaks_the_connection(
    gateway: RunningGateway, upstream: MockUpstream
) -> None:
    async def silent() -> Any:
        yield chat_events(STREAMED)[0] + b'data: {"half'
        await asyncio.sleep(60)

    upstream.behave = lambda request, said: streaming(request, silent())
    with raw(gateway.url) as sock:
        sock.sendall(request_bytes(CHAT, json.dumps(STREAMED).encode()))
        seen = received(sock)
    assert seen.rstrip(b"\r\n").endswith(b'data: {"half')


def test_a_redirect_and_a_refused_key_stay_between_gateway_and_upstream(
    gateway: RunningGateway, upstream: MockUpstream
) -> None:
    for status in (401, 302, 307):

        async def mislead(
            request: web.Request, said: dict[str, Any], status: int = status
        ) -> web.StreamResponse:
            return web.Response(status=status, headers={"location": "http://elsewhere/"})

        upstream.behave = mislead
        refused = call(f"{gateway.url}{CHAT}", QUESTION)
        assert (refused.status, refused.code) == (502, "upstream_refused")
        assert "location" not in refused.headers


def test_a_call_nobody_has_acted_on_goes_to_another_upstream(upstream: MockUpstream) -> None:
    with upstream_in_thread() as other:

        async def busy(request: web.Request, said: dict[str, Any]) -> web.StreamResponse:
            return web.json_response({"error": {"message": "busy"}}, status=503)

        other.behave = busy
        refusing = "http://127.0.0.1:9/v1"
        settings = settings_of(
            hasty(upstream.url, other.url),
        )
        with gateway_in_thread(settings) as gateway:
            for _ in range(20):
                assert call(f"{gateway.url}{CHAT}", QUESTION).status == 200
            assert len(upstream.asked) == 20
            gateway.reload(settings_of(hasty(refusing, upstream.url)))
            for _ in range(20):
                assert call(f"{gateway.url}{CHAT}", QUESTION).status == 200
            status = gateway.server.status()["endpoints"]["chat"]["upstreams"]
            assert [one["resting"] for one in status] == [True, False]


def test_a_call_that_may_have_been_acted_on_is_not_asked_twice(upstream: MockUpstream) -> None:
    async def hang_up(request: web.Request, said: dict[str, Any]) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return await echo(request, said)

    async def fail(request: web.Request, said: dict[str, Any]) -> web.StreamResponse:
        return web.json_response({}, status=500)

    with (
        upstream_in_thread() as other,
        gateway_in_thread(settings_of(hasty(upstream.url, other.url))) as gateway,
    ):
        for behave, status in ((hang_up, 502), (fail, 500)):
            upstream.behave = other.behave = behave
            before = len(upstream.asked) + len(other.asked)
            assert call(f"{gateway.url}{CHAT}", QUESTION).status == status
            assert len(upstream.asked) + len(other.asked) == before + 1


def test_weights_share_the_calls_out(upstream: MockUpstream) -> None:
    with upstream_in_thread() as canary:
        upstreams = (Upstream(upstream.url, "old", weight=0.8),
                     Upstream(canary.url, "new", weight=0.2))  # fmt: skip
        settings = settings_of(Endpoint(name="chat", upstreams=upstreams))
        with gateway_in_thread(settings) as gateway:
            for _ in range(200):
                call(f"{gateway.url}{CHAT}", QUESTION)
    assert 10 <= len(canary.asked) <= 80
    assert len(upstream.asked) + len(canary.asked) == 200
    assert canary.asked[0].json["model"] == "new"


def upstream_loop(upstream: MockUpstream, steps: asyncio.Queue[None]) -> None:
    """Let the upstream go one step on, from the test's thread."""
    assert upstream.loop is not None
    upstream.loop.call_soon_threadsafe(steps.put_nowait, None)
