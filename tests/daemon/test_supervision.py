"""A child that dies is started again; one that is asked to end does, at the latest when killed."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable

import pytest

from loopwright.daemon import supervision
from loopwright.daemon.supervision import Supervised

PATIENT = "import time; time.sleep(600)"
STUBBORN = (
    "import signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    "print('2026-11-22 23:12:01,123 INFO ready', file=sys.stderr, flush=True); time.sleep(600)"
)


def child(code: str) -> Supervised:
    return Supervised([sys.executable, "-c", code], lambda: dict(os.environ))


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not holds():
            await asyncio.sleep(0.01)


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_a_child_that_is_killed_lives_again_until_it_is_stopped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(supervision, "_SHORTEST_PAUSE", 0.01)

    async def scenario() -> None:
        supervised = child(PATIENT)
        supervised.start()
        await until(lambda: supervised.pid)
        first = supervised.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        await until(lambda: supervised.pid not in (None, first))
        second = supervised.pid
        assert second is not None
        await supervised.stop(seconds=30)
        assert is_gone(first)
        assert is_gone(second)
        assert supervised.starts == 2

    asyncio.run(scenario())


def test_a_child_that_does_not_listen_is_killed(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        supervised = child(STUBBORN)
        supervised.start()
        await until(lambda: "ready" in caplog.text)
        pid = supervised.pid
        assert pid is not None
        await supervised.stop(seconds=0.05)
        await until(lambda: is_gone(pid))
        assert "INFO ready" in [record.getMessage() for record in caplog.records]  # one time only

    with caplog.at_level("INFO"):
        asyncio.run(scenario())


def test_a_child_that_waits_to_be_started_again_does_not_hold_up_the_end() -> None:
    async def scenario() -> None:
        supervised = child("raise SystemExit(3)")
        supervised.start()
        await until(lambda: supervised.starts and supervised.pid is None)
        await asyncio.wait_for(supervised.stop(seconds=60), 30)

    asyncio.run(scenario())
