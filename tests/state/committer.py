"""A process that the state tests start, kill and cut off: `committer.py PATH COMMAND ...`.

It says on standard output what it was told is durable.
"""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

from loopwright.clock import SystemClock
from loopwright.errors import StateLockedError
from loopwright.resources.address import Address
from loopwright.state.lease import current_holder
from loopwright.state.records import Record
from loopwright.state.session import SqliteSession
from loopwright.state.sqlite import open_state
from loopwright.state.store import Entry


def say(*words: object) -> None:
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


def begin(path: Path) -> SqliteSession:
    return open_state(path, clock=SystemClock()).session(holder=current_holder(), command="test")


def commit(session: SqliteSession, name: str) -> None:
    address = Address("Lake", name)
    line = Entry("record", str(address))
    serial = session.commit([line], {address: Record(address, origin=name * 300)})
    say(serial, name)


def endless(path: Path) -> None:
    """Commits from four threads until it is killed."""
    with begin(path) as session, ThreadPoolExecutor(4) as pool:
        for start in count(step=40):
            batch = range(start, start + 40)
            list(pool.map(lambda n: commit(session, f"{os.getpid()}-{n}"), batch))


def two_sessions(path: Path, *pragmas: str) -> None:
    """Four commits, a clean end, two more in another session."""
    for round_, amount in enumerate((4, 2)):
        with begin(path) as session:
            for pragma in pragmas:
                session._writer.execute(f"PRAGMA {pragma}")
            for n in range(amount):
                commit(session, f"{round_}-{n}")


def race(path: Path) -> None:
    """At each line from standard input: tries to get the lease; at the next gives it back."""
    for _ in sys.stdin:
        try:
            with begin(path) as session:
                say("won", session.token)
                sys.stdin.readline()
        except StateLockedError as problem:
            say("lost", problem)
            sys.stdin.readline()


if __name__ == "__main__":
    {"endless": endless, "two-sessions": two_sessions, "race": race}[sys.argv[2]](
        Path(sys.argv[1]), *sys.argv[3:]
    )
