"""`loopwright chat` and `loopwright serve` against a gateway that runs in this process."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from loopwright.cli import run
from loopwright.cli.chatting import Conversation
from loopwright.daemon.presence import Facts, Presence
from loopwright.errors import LoopwrightError
from loopwright.gateway.principals import key_hash
from loopwright.gateway.settings import Endpoint, Principal, Role, Settings, Tls, Upstream
from support.certificates import certificate
from support.gateways import RunningGateway, gateway_in_thread
from support.upstreams import MockUpstream, chat, event, streamed, upstream_in_thread


@dataclass
class Served:
    """A project whose daemon seems to live: its gateway is in this process."""

    path: Path
    upstream: MockUpstream
    gateway: RunningGateway
    capsys: pytest.CaptureFixture[str]

    def chat(self, *arguments: str) -> tuple[int, str, str]:
        code = run(["chat", *arguments, "--project", str(self.path)])
        said = self.capsys.readouterr()
        return code, said.out, said.err


@pytest.fixture
def served(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Served]:
    presence = Presence(tmp_path / ".loopwright" / "default" / "daemon")
    held = presence.hold()
    assert held is not None
    with upstream_in_thread() as upstream:
        support = Endpoint(name="support", upstreams=(Upstream(upstream.url, "teacher"),))
        settings = Settings(port=0, endpoints={"support": support})
        with gateway_in_thread(settings) as gateway:
            presence.tell(
                Facts(
                    pid=os.getpid(),
                    started_at="2026-11-22T10:00:00Z",
                    version="1",
                    port=1,
                    token="t",
                    gateway=gateway.url,
                    detached=True,
                )
            )
            yield Served(tmp_path, upstream, gateway, capsys)
    os.close(held)


@pytest.mark.parametrize("more", [[], ["--no-stream"]])
def test_the_answer_is_printed_and_the_call_named(served: Served, more: list[str]) -> None:
    code, out, err = served.chat("support", "几点开门 today", "-v", *more)
    assert (code, out.strip()) == (0, "几点开门 today")
    assert err.startswith("call ")
    asked = served.upstream.asked[0].json
    assert asked["model"] == "teacher"
    assert asked["stream"] is not bool(more)


def test_settings_of_an_answer_are_passed_on(served: Served) -> None:
    served.chat("Endpoint/support", "hi", "--system", "Be brief.", "--temperature", "0.5",
                "--max-tokens", "7")  # fmt: skip
    asked = served.upstream.asked[0].json
    assert asked["messages"][0] == {"role": "system", "content": "Be brief."}
    assert (asked["temperature"], asked["max_tokens"]) == (0.5, 7)


def test_a_message_may_come_from_stdin(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("from a file\n"))
    assert served.chat("support")[1].strip() == "from a file"
    monkeypatch.setattr("sys.stdin", io.StringIO(" \n"))
    code, _, err = served.chat("support")
    assert code == 1
    assert "there is no message" in err


def test_a_person_talks_on_and_the_model_is_told_all_of_it(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = iter(["first", "", KeyboardInterrupt(), "second", EOFError()])

    def typed(prompt: str) -> str:
        line = next(lines)
        if isinstance(line, BaseException):
            raise line
        return line

    monkeypatch.setattr("builtins.input", typed)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    code, out, _ = served.chat("support")
    assert code == 0
    assert [word for word in out.split() if word] == ["first", "second"]
    said = [message["content"].strip() for message in served.upstream.asked[1].json["messages"]]
    assert said == ["first", "first", "second"]


def test_an_answer_cannot_steer_the_terminal(served: Served) -> None:
    async def hostile(request: web.Request, said: dict[str, Any]) -> web.StreamResponse:
        return web.json_response(chat(said, text="a\x1b]0;owned\x07b\x9b2Jc\r"))

    served.upstream.behave = hostile
    assert served.chat("support", "x", "--no-stream")[1] == "a]0;ownedb2Jc\n"


def test_what_is_wrong_is_said_in_a_line(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    code, _, err = served.chat("suport", "x")
    assert code == 1
    assert "404" in err
    assert "support" in err

    async def broken(request: web.Request, said: dict[str, Any]) -> web.StreamResponse:
        return await streamed(request, [event({"error": {"message": "the model fell over"}})])

    served.upstream.behave = broken
    code, _, err = served.chat("support", "x")
    assert (code, err.strip()) == (1, "error: the answer broke off: the model fell over")

    alice = Principal("alice", Role.READER, (key_hash("alices-key", salt=b"salt"),))
    support = Endpoint(name="support", upstreams=(Upstream(served.upstream.url, "teacher"),))
    served.gateway.reload(Settings(port=0, endpoints={"support": support}, principals=(alice,)))
    served.upstream.behave = None
    code, _, err = served.chat("support", "x")
    assert code == 1
    assert "401" in err
    assert "export LOOPWRIGHT_API_KEY=" in err
    monkeypatch.setenv("LOOPWRIGHT_API_KEY", "alices-key")
    assert served.chat("support", "with her key")[1].strip() == "with her key"


def test_tls_is_spoken_with_the_gateways_own_certificate_alone(
    served: Served, tmp_path: Path
) -> None:
    tls = Tls(tmp_path / "gateway.crt", tmp_path / "gateway.pem")
    for path, data in zip((tls.cert, tls.key), certificate("gateway"), strict=True):
        path.write_bytes(data)
    support = Endpoint(name="support", upstreams=(Upstream(served.upstream.url, "teacher"),))
    served.gateway.reload(Settings(port=0, endpoints={"support": support}, tls=tls))
    talk = Conversation(served.gateway.url, "support", certificate=tls.cert)
    assert talk.base.startswith("https://")
    assert "".join(talk.ask("in private")).strip() == "in private"
    other = tmp_path / "other.crt"
    other.write_bytes(certificate("another")[0])
    with pytest.raises(LoopwrightError, match="certificate"):
        list(Conversation(served.gateway.url, "support", certificate=other).ask("to whom?"))


def test_an_answer_that_was_broken_off_stays_in_the_conversation(served: Served) -> None:
    talk = Conversation(served.gateway.url, "support")
    pieces = talk.ask("one two three")
    first = next(pieces)
    pieces.close()
    assert talk.messages[-1] == {"role": "assistant", "content": first}
    broken = Conversation("http://127.0.0.1:9", "support")
    with pytest.raises(LoopwrightError, match="broke off"):
        list(broken.ask("anybody?"))
    assert broken.messages == []


def test_without_a_daemon_nobody_answers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in (["chat", "support", "x"], ["serve", "--status"]):
        assert run([*command, "--project", str(tmp_path)]) == 1
        assert "loopwright serve --detach" in capsys.readouterr().err
    assert run(["serve", "--stop", "--project", str(tmp_path)]) == 0
    assert "nothing to stop" in capsys.readouterr().err
    assert run(["serve", "--stop", "--detach", "--project", str(tmp_path)]) == 2
    assert not (tmp_path / ".loopwright").exists()


def test_a_second_daemon_is_refused_and_told_where_the_first_is(served: Served) -> None:
    code = run(["serve", "--project", str(served.path)])
    err = served.capsys.readouterr().err
    assert code == 1
    assert f"serves already at {served.gateway.url} (process {os.getpid()})" in err
