"""An upstream's answer, in any pieces, comes out as it was said, and connections are used again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopwright.errors import GatewayError
from loopwright.gateway.settings import Upstream
from loopwright.gateway.upstream_client import NoConnectionError, Place, Times, UpstreamClient
from loopwright.gateway.upstream_connection import BrokenAnswerError, Reply, UpstreamConnection
from loopwright.gateway.upstreams import Target

SIZED = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 11\r\n\r\nhello world"
CHUNKED = (
    b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nx-trailer: 1\r\n\r\n"
)
INTERIM = b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + SIZED
UNTIL_CLOSED = b"HTTP/1.1 200 OK\r\n\r\nhello world"
EMPTY = b"HTTP/1.1 204 No Content\r\n\r\n"


class FakeTransport:
    """Takes what is written; `paused` as flow control has it."""

    def __init__(self) -> None:
        self.written = b""
        self.paused = self.closed = False

    def write(self, data: bytes) -> None:
        self.written += data

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    def close(self) -> None:
        self.closed = True

    abort = close


class Spoken:
    """A connection to an upstream that says what a test lets it say."""

    def __init__(self) -> None:
        self.free: list[UpstreamConnection] = []
        self.transport = FakeTransport()
        loop = asyncio.get_running_loop()
        self.connection = UpstreamConnection(
            loop, on_free=self.free.append, on_lost=lambda connection: None
        )
        self.connection.connection_made(cast(asyncio.BaseTransport, self.transport))

    async def asked(self, *pieces: bytes, closes: bool = False) -> Reply:
        """Ask, and let the upstream say `pieces`."""
        asking = asyncio.create_task(self.connection.ask(b"question", first_byte=20))
        await asyncio.sleep(0)
        for piece in pieces:
            self.connection.data_received(piece)
        if closes:
            self.connection.connection_lost(None)
        return await asking


def run(test: Callable[[], Awaitable[Any]]) -> Any:
    async def within() -> Any:
        return await test()

    return asyncio.run(within())


def in_pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    ends = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    return [data[a:b] for a, b in pairwise(ends)]


@given(
    st.sampled_from([(SIZED, 200), (CHUNKED, 201), (INTERIM, 200), (UNTIL_CLOSED, 200)]),
    st.lists(st.integers(0, 200), max_size=8),
)
def test_an_answer_in_any_pieces_is_the_same(answer: tuple[bytes, int], cuts: list[int]) -> None:
    async def test() -> None:
        spoken = Spoken()
        said, status = answer
        reply = await spoken.asked(*in_pieces(said, cuts), closes=said is UNTIL_CLOSED)
        assert reply.status == status
        assert await reply.whole() == b"hello world"
        assert reply.is_ended
        assert bool(spoken.free) == (said is not UNTIL_CLOSED)

    run(test)


@given(st.binary(max_size=200), st.integers(0, 200))
def test_garbage_breaks_the_answer_and_nothing_else(garbage: bytes, keep: int) -> None:
    async def test() -> None:
        spoken = Spoken()
        try:
            reply = await spoken.asked(CHUNKED[: keep % len(CHUNKED)] + garbage, closes=True)
            await reply.whole()
        except BrokenAnswerError:
            assert not spoken.free

    run(test)


def test_a_connection_takes_the_next_question_when_it_is_free() -> None:
    async def test() -> None:
        spoken = Spoken()
        for said in (SIZED, CHUNKED, EMPTY, SIZED):
            spoken.free.clear()
            reply = await spoken.asked(said)
            assert await reply.whole() in (b"hello world", b"")
            assert spoken.free == [spoken.connection]
        spoken.connection.data_received(b"HTTP/1.1 200 OK\r\n")  # unasked
        assert spoken.transport.closed

    run(test)


def test_an_answer_that_says_close_is_the_last_on_its_connection() -> None:
    async def test() -> None:
        spoken = Spoken()
        reply = await spoken.asked(SIZED.replace(b"OK\r\n", b"OK\r\nConnection: close\r\n"))
        assert await reply.whole() == b"hello world"
        assert spoken.transport.closed
        assert not spoken.free

    run(test)


def test_an_upstream_waits_for_a_client_that_does_not_read() -> None:
    async def test() -> None:
        spoken = Spoken()
        reply = await spoken.asked(b"HTTP/1.1 200 OK\r\ncontent-length: 900000\r\n\r\n")
        for _ in range(3):
            spoken.connection.data_received(b"x" * 100_000)
        assert spoken.transport.paused
        assert len(await reply.some()) == 300_000
        assert not spoken.transport.paused

    run(test)


def test_a_silent_upstream_is_given_up_and_one_that_must_wait_for_us_is_not() -> None:
    async def test() -> None:
        spoken = Spoken()
        reply = await spoken.asked(b"HTTP/1.1 200 OK\r\ncontent-length: 900000\r\n\r\n")
        reply.idle_after(0.05)
        spoken.connection.data_received(b"x" * 300_000)
        await asyncio.sleep(0.2)
        assert len(await reply.some()) == 300_000
        with pytest.raises(TimeoutError):
            await reply.some()
        assert spoken.transport.closed

    run(test)


def test_what_came_before_a_cut_is_still_given() -> None:
    async def test() -> None:
        spoken = Spoken()
        reply = await spoken.asked(SIZED[:-6], closes=True)
        assert await reply.some() == b"hello"
        with pytest.raises(BrokenAnswerError):
            await reply.some()

    run(test)


@pytest.mark.parametrize(
    ("url", "authority"),
    [
        ("http://a/v1", "a"),
        ("https://a:443/v1", "a"),
        ("https://a:8443/v1", "a:8443"),
        ("http://[::1]:8000/v1", "[::1]:8000"),
    ],
)
def test_the_host_header_is_what_a_browser_would_send(url: str, authority: str) -> None:
    assert Place.of(url).authority == authority


@pytest.mark.parametrize("url", ["ftp://a/v1", "a/v1", "http://", "http://a:99999/v1", ""])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(GatewayError, match="not the address"):
        Place.of(url)


def test_a_key_of_several_lines_never_gets_into_a_header() -> None:
    assert Target(Upstream("http://a/v1", "m", "sk-1\n")).authorization == "Bearer sk-1"
    with pytest.raises(GatewayError, match="one line") as refused:
        Target(Upstream("http://a/v1", "m", "sk-1\r\nx-evil: 1"))
    assert "sk-1" not in str(refused.value)


def test_connections_are_used_again_and_closed_at_the_end() -> None:
    accepted = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal accepted
        accepted += 1
        while await reader.read(1 << 16):
            writer.write(SIZED)
        writer.close()

    async def test() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        place = Place("http", "127.0.0.1", server.sockets[0].getsockname()[1])
        client = UpstreamClient()
        for _ in range(5):
            reply = await client.post(place, "/", headers={}, body=b"x", times=Times(5, 5))
            assert await reply.whole() == b"hello world"
        await client.close()
        server.close()
        await server.wait_closed()
        nowhere = Place("http", "a" * 70 + ".invalid", 80)
        for gone in (place, nowhere):
            with pytest.raises(NoConnectionError):
                await client.post(gone, "/", headers={}, body=b"x", times=Times(5, 5))

    run(test)
    assert accepted == 1
