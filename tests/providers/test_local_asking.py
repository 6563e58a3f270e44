"""Jobs that go on: through whichever daemon serves, from where they were, until told to stop."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from loopwright.daemon.access import Access
from loopwright.inference.client import Reply
from loopwright.providers.local import gateway_asker
from loopwright.providers.local.gateway_asker import GatewayAsker
from loopwright.providers.local.tasks.loops import run_until_stopped
from loopwright.providers.local.unfinished import Unfinished
from support.upstreams import MockUpstream

ASKED: dict[str, Any] = {"messages": [{"role": "user", "content": "hello"}]}


def test_a_daemon_that_is_started_anew_is_found_at_its_new_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gateway_asker, "_INNER_PATIENCE", 0.1)

    async def within() -> tuple[list[Reply], MockUpstream]:
        found: list[Access | None] = [None]
        async with GatewayAsker("chat", lambda: found[0], patience=30) as asker:
            first, second = MockUpstream(), MockUpstream()
            later = asyncio.create_task(asker.ask("chat/completions", ASKED))
            await asyncio.sleep(0.05)  # nobody serves yet
            async with first:
                found[0] = Access(first.url, "first key")
                replies = [await later]
            async with second:
                found[0] = Access(second.url, "second key")
                replies.append(await asker.ask("chat/completions", ASKED))
            return replies, second

    replies, second = asyncio.run(within())
    assert [reply.text for reply in replies] == ["hello", "hello"]
    (asked,) = second.asked
    assert (asked.headers["authorization"], asked.json["model"]) == ("Bearer second key", "chat")


def test_a_daemon_that_never_comes_is_told_as_no_answer() -> None:
    async def within() -> Reply:
        async with GatewayAsker("chat", lambda: None, patience=0) as asker:
            return await asker.ask("chat/completions", ASKED)

    reply = asyncio.run(within())
    assert (reply.status, reply.error) == (0, "no daemon of this project serves its endpoints")


class Stopped(BaseException):
    pass


def test_a_request_to_stop_ends_the_loop_and_is_raised_outside_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cleared: list[bool] = []

    def stop(number: int, frame: FrameType | None) -> None:
        raise Stopped

    async def work() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        try:
            await asyncio.sleep(60)
        finally:
            cleared.append(True)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        with pytest.raises(Stopped):
            run_until_stopped(work())
        assert signal.getsignal(signal.SIGTERM) is stop
    finally:
        signal.signal(signal.SIGTERM, before)
    assert cleared == [True]
    assert run_until_stopped(asyncio.sleep(0, "done")) == "done"


def test_what_a_run_has_got_is_kept_for_it_and_not_for_ever(tmp_path: Path) -> None:
    unfinished = Unfinished(tmp_path)
    first, other = unfinished.folder("one", "a"), unfinished.folder("two", "a")
    assert first == unfinished.folder("one", "a") != other
    second = unfinished.folder("one", "b")  # the resource was edited meanwhile
    assert (first.exists(), second.exists(), other.exists()) == (False, True, True)
    os.utime(other, (0, 0))
    unfinished.folder("one", "b")
    assert not other.exists()
    unfinished.clear("one")
    assert not second.exists()
