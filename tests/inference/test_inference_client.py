"""What a server's answers come to: tried again, waited for, given up, and told as they are."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from loopwright.errors import InferenceError
from loopwright.inference.asking import ask_all
from loopwright.inference.client import Client, Reply, Server
from loopwright.inference.retrying import asked_pause
from support.certificates import certificate
from support.upstreams import MockUpstream, chat

CHAT = "chat/completions"
Behave = Callable[[dict[str, Any]], web.Response]


def question(text: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}]}


def refusing(*statuses: int, **headers: str) -> Any:
    """Refuses once with each status, then answers."""
    left = list(statuses)

    async def behave(request: web.Request, said: dict[str, Any]) -> web.StreamResponse:
        if left:
            told = {"error": {"message": "not now"}}
            return web.json_response(told, status=left.pop(0), headers=headers)
        return web.json_response(chat(said), headers={"x-request-id": "r-1"})

    return behave


def asked(upstream: MockUpstream, *texts: str, **client: Any) -> list[Reply]:
    """The replies to some questions, one after another."""

    async def within() -> list[Reply]:
        async with upstream:
            server = Server(upstream.url, "tuned", api_key="secret-key")
            async with Client(server, **client) as asking:
                return [await asking.ask(CHAT, question(text)) for text in texts]

    return asyncio.run(within())


def test_an_answer_is_read_as_openai_writes_it() -> None:
    upstream = MockUpstream(refusing())
    (reply,) = asked(upstream, "hello")
    assert (reply.text, reply.usage, reply.finish_reason) == ("hello", (7, 5), "stop")
    assert (reply.status, reply.attempts, reply.request_id) == (200, 1, "r-1")
    assert upstream.asked[0].json["model"] == "tuned"
    assert upstream.asked[0].headers["authorization"] == "Bearer secret-key"
    assert "secret-key" not in repr(Server(upstream.url, "tuned", api_key="secret-key"))


def test_a_tool_call_is_an_answer_without_text() -> None:
    body = chat({**question("x"), "tools": [{"function": {"name": "weather"}}]})
    reply = Reply(200, body)
    assert (reply.text, reply.finish_reason) == ("", "tool_calls")
    assert reply.tool_calls[0]["function"]["name"] == "weather"
    assert (Reply(0, None, "gone").text, Reply(200, {"choices": []}).usage) == ("", (0, 0))


def test_what_may_pass_is_tried_again_as_long_as_was_asked() -> None:
    upstream = MockUpstream(refusing(500, 429, 503, **{"retry-after-ms": "1"}))
    (reply,) = asked(upstream, "hello")
    assert (reply.text, reply.attempts, len(upstream.asked)) == ("hello", 4, 4)


def test_a_question_that_a_server_fails_on_is_given_up_and_told() -> None:
    upstream = MockUpstream(refusing(*[500] * 9, **{"retry-after-ms": "0"}))
    (reply,) = asked(upstream, "hello", attempts=3)
    assert (reply.status, reply.attempts) == (500, 3)
    assert reply.error == "status 500: not now"


@pytest.mark.parametrize("status", [400, 401, 404, 422])
def test_a_refusal_that_stays_one_is_told_at_once(status: int) -> None:
    (reply,) = asked(MockUpstream(refusing(status)), "hello")
    assert (reply.status, reply.attempts, reply.error) == (status, 1, f"status {status}: not now")


def test_a_full_server_is_waited_for_as_long_as_it_answers_others() -> None:
    """Rates are shared: 40 questions at 8 at once, of which two thirds are refused at first."""
    served: list[int] = []

    async def behave(request: web.Request, said: dict[str, Any]) -> web.StreamResponse:
        served.append(1)
        if len(served) % 3:
            return web.json_response({}, status=429, headers={"retry-after-ms": "20"})
        return web.json_response(chat(said))

    async def within() -> dict[str, Reply]:
        replies: dict[str, Reply] = {}
        many = ((str(n), CHAT, question(str(n))) for n in range(40))
        async with (
            MockUpstream(behave) as upstream,
            Client(Server(upstream.url, "m"), patience=1.0) as client,
        ):
            await ask_all(client, many, concurrency=8, done=replies.__setitem__)
        return replies

    replies = asyncio.run(within())
    assert {key: reply.text for key, reply in replies.items()} == {
        str(n): str(n) for n in range(40)
    }


def test_a_server_that_is_away_is_waited_for_then_told() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]

    async def within() -> tuple[Reply, Reply]:
        server = Server(f"http://127.0.0.1:{port}/v1", "m")
        async with Client(server, patience=0.0) as impatient:
            never = await impatient.ask(CHAT, question("x"))
        async with Client(server, patience=20) as patient:
            later = asyncio.create_task(patient.ask(CHAT, question("now")))
            await asyncio.sleep(0.1)
            async with MockUpstream(port=port):
                return never, await later

    never, later = asyncio.run(within())
    assert (never.status, never.body, never.attempts) == (0, None, 1)
    assert never.error.startswith(f"no answer from http://127.0.0.1:{port}/v1: ")
    assert (later.text, later.attempts > 1) == ("now", True)


def test_an_answer_that_breaks_off_is_asked_for_again() -> None:
    broken = []

    async def behave(request: web.Request, said: dict[str, Any]) -> web.StreamResponse:
        if not broken:
            broken.append(1)
            response = web.StreamResponse(headers={"content-length": "1000"})
            await response.prepare(request)
            await response.write(b'{"choices"')
            assert request.transport is not None
            request.transport.close()
            return response
        return web.json_response(chat(said))

    (reply,) = asked(MockUpstream(behave), "whole")
    assert (reply.text, reply.attempts) == ("whole", 2)


def test_what_is_no_json_is_no_answer() -> None:
    async def behave(request: web.Request, said: dict[str, Any]) -> web.StreamResponse:
        return web.Response(text="<html>hello</html>")

    (reply,) = asked(MockUpstream(behave), "x")
    assert (reply.is_answer, reply.error) == (False, "the answer is not a JSON object")


def test_a_certificate_is_looked_at_except_of_this_machine_where_that_is_said(
    tmp_path: Path,
) -> None:
    chain, key = certificate("elsewhere.example")
    (tmp_path / "both.pem").write_bytes(chain + key)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(tmp_path / "both.pem")

    async def within(unseen: bool) -> Reply:
        async with MockUpstream(tls=tls) as upstream:
            server = Server(upstream.url, "m", insecure_loopback=unseen)
            async with Client(server, patience=0) as client:
                return await client.ask(CHAT, question("x"))

    assert asyncio.run(within(True)).text == "x"
    assert asyncio.run(within(False)).status == 0
    with pytest.raises(InferenceError, match="without looking at its certificate"):
        Server("https://models.example/v1", "m", insecure_loopback=True)


def test_a_pause_is_read_in_seconds_milliseconds_and_as_a_date() -> None:
    assert asked_pause({"retry-after": "2"}) == 2
    assert asked_pause({"retry-after": "9", "retry-after-ms": "250"}) == 0.25
    assert asked_pause({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0
    assert (asked_pause({}), asked_pause({"retry-after": "soon"})) == (None, None)


class Counting:
    """Answers after a few turns of the loop, and knows how many are asked at once."""

    def __init__(self) -> None:
        self.now = self.most = 0

    async def ask(self, path: str, request: Any) -> Reply:
        self.now += 1
        self.most = max(self.most, self.now)
        for _ in range(request["turns"]):
            await asyncio.sleep(0)
        self.now -= 1
        return Reply(200, {"turns": request["turns"]})


def questions(taken: list[int]) -> Iterator[tuple[str, str, dict[str, int]]]:
    for number in range(100):
        taken.append(number)
        yield str(number), CHAT, {"turns": 20 + number * 7 % 11}


@pytest.mark.parametrize("streamed", [False, True])
def test_so_many_are_asked_at_once_and_no_more_are_taken(streamed: bool) -> None:
    client, taken, done, ahead = Counting(), list[int](), list[str](), set[int]()

    async def stream() -> Any:
        for one in questions(taken):
            await asyncio.sleep(0)
            yield one

    def tell(key: str, reply: Reply) -> None:
        done.append(key)
        ahead.add(len(taken) - len(done))

    source = stream() if streamed else questions(taken)
    asyncio.run(ask_all(client, source, concurrency=8, done=tell))
    assert client.most == 8
    assert max(ahead) <= 8
    assert sorted(done, key=int) == [str(number) for number in range(100)] != done


def test_what_goes_wrong_in_telling_ends_it_all() -> None:
    async def tell(key: str, reply: Reply) -> None:
        raise InferenceError(f"no room for {key}")

    with pytest.raises(InferenceError, match="no room for"):
        asyncio.run(ask_all(Counting(), questions([]), concurrency=4, done=tell))
