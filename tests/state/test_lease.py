"""One writer at a time: who may take the lock, and that a late writer is refused."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from loopwright.clock import FakeClock, SystemClock, to_text
from loopwright.errors import FencedError, StateLockedError
from loopwright.state import lease
from loopwright.state.heartbeat import Heartbeat
from loopwright.state.session import SqliteSession
from loopwright.state.sqlite import open_state
from loopwright.state.store import LeaseInfo
from support.states import names, write

Begin = Callable[..., SqliteSession]
COMMITTER = Path(__file__).with_name("committer.py")


def test_the_second_is_told_who_holds_the_lock(begin: Begin, clock: FakeClock) -> None:
    begin("ann@here pid 1", "apply plan-7")
    clock.advance(10)

    with pytest.raises(StateLockedError) as refused:
        begin("bob@here pid 2", "watch")

    said = str(refused.value)
    assert "ann@here pid 1 (apply plan-7) since 2026-01-01T00:00:00Z" in said
    assert "expires at 2026-01-01T00:01:00Z" in said
    assert refused.value.hint


def test_a_lock_that_was_given_back_is_free_and_its_token_never_comes_again(begin: Begin) -> None:
    tokens = []
    for _ in range(3):
        session = begin()
        tokens.append(session.token)
        session.close()
        assert open_state(session.path, clock=FakeClock()).lease() is None

    assert tokens == [1, 2, 3]


def test_an_expired_lock_is_taken_over_with_a_line_in_the_journal(
    begin: Begin, clock: FakeClock
) -> None:
    begin("ann@here pid 1", "apply")
    clock.advance(60)

    session = begin("bob@here pid 2", "watch")

    (line,) = session.journal()
    assert (line.kind, line.actor) == ("lease", "bob@here pid 2")
    assert line.data == {
        "from": "ann@here pid 1",
        "command": "apply",
        "token": 1,
        "because": "it expired at 2026-01-01T00:01:00Z",
        "newToken": 2,
    }
    assert session.serial == 0


def test_a_renewed_lock_is_not_taken_over(begin: Begin, clock: FakeClock) -> None:
    session = begin()
    clock.advance(40)
    assert session.renew()
    clock.advance(40)

    with pytest.raises(StateLockedError):
        begin()


def test_a_late_writer_is_refused_and_leaves_the_lock_to_its_successor(
    begin: Begin, clock: FakeClock
) -> None:
    late = begin("ann@here pid 1", "apply")
    clock.advance(60)
    successor = begin("bob@here pid 2", "watch")

    with pytest.raises(FencedError, match=r"taken over by bob@here pid 2 \(watch\)"):
        write(late, "a")
    assert not late.renew()
    late.close()

    held = successor.lease()
    assert held
    assert held.holder == "bob@here pid 2"
    assert write(successor, "b") == 1
    assert names(successor.records()) == ["b"]


def test_a_late_writer_is_refused_even_after_its_successor_is_done(
    begin: Begin, clock: FakeClock
) -> None:
    late = begin("ann@here pid 1", "apply")
    clock.advance(60)
    begin("bob@here pid 2", "watch").close()

    with pytest.raises(FencedError, match="bob@here pid 2"):
        write(late, "a")


def test_without_the_token_check_the_late_writer_would_write(
    begin: Begin, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = begin()
    clock.advance(60)
    successor = begin()
    monkeypatch.setattr(lease, "check", lambda connection, token: None)

    write(late, "a")

    assert names(successor.records()) == ["a"]


def test_waiting_ends_when_the_lock_is_free_and_says_once_for_whom(
    begin: Begin, clock: FakeClock
) -> None:
    heard: list[LeaseInfo] = []
    begin("ann@here pid 1", "apply")

    session = begin("bob@here pid 2", "watch", wait_seconds=90, on_wait=heard.append)

    assert [info.holder for info in heard] == ["ann@here pid 1"]
    assert session.token == 2
    assert clock.now() < FakeClock().now() + timedelta(seconds=61)


def test_waiting_has_an_end(begin: Begin, clock: FakeClock) -> None:
    begin()

    with pytest.raises(StateLockedError):
        begin(wait_seconds=30)

    assert clock.now() == FakeClock().now() + timedelta(seconds=30)


def test_two_applies_and_a_watcher_take_turns(path: Path) -> None:
    def work(who: str) -> int:
        state = open_state(path, clock=SystemClock())
        with state.session(holder=who, command="apply", wait_seconds=600) as session:
            write(session, who)
            return session.token

    with ThreadPoolExecutor(3) as pool:
        tokens = list(pool.map(work, ["ann", "bob", "eve"]))

    state = open_state(path, clock=SystemClock())
    assert sorted(tokens) == [1, 2, 3]
    assert names(state.records()) == ["ann", "bob", "eve"]
    assert [line.kind for line in state.journal()] == ["record"] * 3


def test_of_two_processes_exactly_one_gets_the_lock(path: Path) -> None:
    command = [sys.executable, str(COMMITTER), str(path), "race"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "bufsize": 1}
    with subprocess.Popen(command, **pipes) as one, subprocess.Popen(command, **pipes) as two:
        for token in range(1, 13):
            answers = _each(one, two, line="go")
            assert sorted(answer.split()[0] for answer in answers) == ["lost", "won"]
            assert f"won {token}\n" in answers
            _each(one, two, line="drop", reply=False)
            assert _given_back(path)
        one.stdin.close()
        two.stdin.close()


def _each(*children: subprocess.Popen[str], line: str, reply: bool = True) -> list[str]:
    for child in children:
        child.stdin.write(f"{line}\n")
    return [child.stdout.readline() for child in children] if reply else []


def _given_back(path: Path) -> bool:
    state = open_state(path, clock=SystemClock())
    while state.lease():
        threading.Event().wait(0.001)
    return True


def test_the_lock_of_a_killed_process_is_free_at_once(begin: Begin, path: Path) -> None:
    command = [sys.executable, str(COMMITTER), str(path), "race"]
    with subprocess.Popen(command, stdin=-1, stdout=-1, text=True, bufsize=1) as child:
        assert _each(child, line="go") == ["won 1\n"]
        child.kill()
        child.wait()

    session = begin()

    (line,) = session.journal()
    assert line.data["because"] == f"its process {child.pid} has ended"


HERE = lease.this_process()
LIVING = lease.Lease(LeaseInfo("ann", "apply", 1, "", to_text(FakeClock().now())), HERE)


@pytest.mark.parametrize(
    ("process", "minutes_after_expiry", "free"),
    [
        (HERE, -1, False),
        (HERE, 0, True),
        (replace(HERE, host="other"), 4.9, False),
        (replace(HERE, host="other"), 5, True),
        (replace(HERE, host="other", pid=2**22 + 1), -1, False),
        (replace(HERE, pid_space="another container"), -1, False),
        (replace(HERE, pid_space="another container", pid=2**22 + 1), -1, False),
        (replace(HERE, pid=2**22 + 1), -1, True),
        pytest.param(
            replace(HERE, started="1"),
            -1,
            True,
            marks=pytest.mark.skipif(not HERE.started, reason="no start times without /proc"),
        ),
        (replace(HERE, started=""), -1, False),
    ],
)
def test_a_lock_is_free_when_its_process_is_surely_gone_or_its_time_is_up_on_every_clock(
    process: lease.Process, minutes_after_expiry: float, free: bool
) -> None:
    now = FakeClock().now() + timedelta(minutes=minutes_after_expiry)

    assert bool(lease.why_free(replace(LIVING, process=process), now=now, here=HERE)) is free


def test_a_dead_process_nobody_has_waited_for_counts_as_dead() -> None:
    with subprocess.Popen([sys.executable, "-c", ""], stdout=-1) as child:
        process = replace(HERE, pid=child.pid, started=lease._started(child.pid))
        assert child.stdout
        child.stdout.read()  # its end of the pipe closes as it exits
        while not lease._surely_dead(process):
            threading.Event().wait(0.001)


def test_the_heart_beats_until_told_to_stop() -> None:
    beats = threading.Semaphore(0)

    def beat() -> bool:
        beats.release()
        return True

    heart = Heartbeat(beat, seconds=0.001)
    assert all(beats.acquire() for _ in range(3))
    heart.stop()
    while beats.acquire(blocking=False):
        pass

    assert not beats.acquire(timeout=0.05)


def test_a_session_renews_its_lock_by_itself(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    renewed = threading.Event()
    renew = SqliteSession.renew

    def watched(session: SqliteSession) -> bool:
        result = renew(session)
        renewed.set()
        return result

    monkeypatch.setattr(SqliteSession, "renew", watched)
    begin(ttl=0.03)

    assert renewed.wait(60)
