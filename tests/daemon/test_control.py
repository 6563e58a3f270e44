"""The daemon's loopback protocol: nothing without the token, and no answer that is not JSON."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from loopwright.daemon.client import DaemonClient
from loopwright.daemon.control import Control
from loopwright.errors import DaemonError
from support.loops import loop_in_thread


class Recorded:
    """A daemon that only remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    def status(self) -> dict[str, Any]:
        self.asked.append("status")
        return {"problems": {}}

    async def reload(self, given: dict[str, str], *, retry: bool) -> None:
        self.asked.append(given)
        if "BAD" in given:
            raise DaemonError("a declaration is damaged")

    async def flush(self, seconds: float) -> bool:
        self.asked.append(seconds)
        return True

    def stop(self) -> None:
        self.asked.append("stop")


class Served:
    def __init__(self, recorded: Recorded, port: int) -> None:
        self.recorded, self.port = recorded, port
        self.client = DaemonClient(port, "the-token")

    def ask(self, method: str, path: str, body: bytes = b"", token: str = "") -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        headers = {"authorization": token} if token else {}
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        told = answer.status, orjson.loads(answer.read())
        connection.close()
        return told


@pytest.fixture
def served() -> Iterator[Served]:
    recorded = Recorded()
    with loop_in_thread() as thread:
        control = Control(recorded, "the-token")
        port = thread.run(control.start())
        yield Served(recorded, port)
        thread.run(control.close())


def test_what_a_client_asks_is_done(served: Served) -> None:
    assert served.client.status() == {"problems": {}}
    assert served.client.reload({"NAME": "value"}) == {"problems": {}}
    assert served.client.flush(seconds=3.0)
    served.client.stop()
    assert served.recorded.asked == ["status", {"NAME": "value"}, "status", 3.0, "stop"]
    assert "the-token" not in repr(served.client)


@pytest.mark.parametrize("token", ["", "Bearer", "Bearer the-toke", "Bearer the-token2", "x"])
@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/health"), ("GET", "/status"), ("POST", "/reload"), ("POST", "/flush"),
     ("POST", "/stop"), ("GET", "/nowhere")],
)  # fmt: skip
def test_without_the_token_nothing_is_told_or_done(
    method: str, path: str, token: str, served: Served
) -> None:
    status, told = served.ask(method, path, b"{}", token)
    assert (status, told) == (401, {"message": "the token is missing or wrong"})
    assert served.recorded.asked == []


@pytest.mark.parametrize("body", [b"", b"[", b"[]", b"{}", b'{"secrets": 1}', b'{"secrets": [1]}'])
def test_a_request_that_makes_no_sense_is_refused(body: bytes, served: Served) -> None:
    status, told = served.ask("POST", "/reload", body, "Bearer the-token")
    assert (status, told) == (400, {"message": "the request is not understood"})
    assert served.recorded.asked == []


def test_what_the_daemon_refuses_is_an_error_with_its_words(served: Served) -> None:
    with pytest.raises(DaemonError, match="refused POST /reload: a declaration is damaged"):
        served.client.reload({"BAD": "x"})


def test_a_daemon_that_is_gone_does_not_answer() -> None:
    with pytest.raises(DaemonError, match="does not answer on its control port"):
        DaemonClient(9, "t").status()
