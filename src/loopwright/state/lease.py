"""The lock on the state: a lease with a fencing token, and when it may be taken over.

Functions here read and write the one row of the `lease` table inside the caller's transaction.
The token rises by one at each acquisition and never goes back, so a writer that slept through
the end of its lease is recognised at its next commit, whatever the clocks say.
"""

from __future__ import annotations

import getpass
import os
import sqlite3
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from loopwright.clock import from_text, to_text
from loopwright.errors import FencedError, StateLockedError
from loopwright.state.store import LeaseInfo

CLOCK_SKEW = timedelta(minutes=5)
"""How far the clocks of two machines may be apart before a living holder is taken over."""


@dataclass(frozen=True, slots=True)
class Process:
    """A process as others can check on it: pids mean something within one pid space only."""

    host: str
    pid_space: str
    pid: int
    started: str


@dataclass(frozen=True, slots=True)
class Lease:
    """The row of the lease: who has it, and the process that does."""

    info: LeaseInfo
    process: Process


@dataclass(frozen=True, slots=True)
class Taken:
    """Our lease; whom it was taken over from (None: it was free), and why that was right."""

    info: LeaseInfo
    over: LeaseInfo | None
    because: str


def current_holder() -> str:
    """`user@host pid 123`, for this process."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        user = str(os.getuid())
    return f"{user}@{os.uname().nodename} pid {os.getpid()}"


def this_process() -> Process:
    pid = os.getpid()
    return Process(os.uname().nodename, _pid_space(), pid, _started(pid))


def read(connection: sqlite3.Connection) -> Lease | None:
    """The lease as the row has it, expired or not; None when it was given back."""
    row = _row(connection)
    return row if row and row.info.expires_at else None


def take(
    connection: sqlite3.Connection, *, holder: str, command: str, now: datetime, ttl: float
) -> Taken:
    """Take the lease for `ttl` seconds. Raises StateLockedError while somebody else holds it."""
    last, process = _row(connection), this_process()
    held = last if last and last.info.expires_at else None
    because = why_free(held, now=now, here=process) if held else ""
    if held and not because:
        raise _locked(held.info)
    info = LeaseInfo(
        holder=holder,
        command=command,
        token=last.info.token + 1 if last else 1,
        acquired_at=to_text(now),
        expires_at=to_text(now + timedelta(seconds=ttl)),
    )
    connection.execute(
        "INSERT OR REPLACE INTO lease VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            info.token, holder, command, info.acquired_at, info.expires_at,
            process.host, process.pid_space, process.pid, process.started,
        ),
    )  # fmt: skip
    return Taken(info, over=held.info if held else None, because=because)


def check(connection: sqlite3.Connection, token: int) -> None:
    """Raises FencedError, naming who took over, when `token` is not the newest."""
    newest = connection.execute("SELECT token FROM lease").fetchone()
    if newest and newest[0] == token:
        return
    last = _row(connection)
    who = f"{last.info.holder} ({last.info.command})" if last else "somebody"
    since = f" at {last.info.acquired_at}" if last else ""
    raise FencedError(
        f"the lock on the state was taken over by {who}{since}; nothing was written",
        hint="Look at what they did with `loopwright history`, then run it again.",
    )


def renew(connection: sqlite3.Connection, token: int, *, now: datetime, ttl: float) -> bool:
    """Hold on for `ttl` more seconds from now; False when it is no longer ours."""
    expires_at = to_text(now + timedelta(seconds=ttl))
    changed = connection.execute(
        "UPDATE lease SET expires_at = ? WHERE token = ?", (expires_at, token)
    )
    return changed.rowcount == 1


def give_back(connection: sqlite3.Connection, token: int) -> None:
    """Free the lease if it is still ours. The row stays: the token must not start again."""
    connection.execute("UPDATE lease SET expires_at = '' WHERE token = ?", (token,))


def why_free(lease: Lease, *, now: datetime, here: Process) -> str:
    """Why a process `here` may take the lease over now; empty while it may not."""
    theirs = lease.process
    if (theirs.host, theirs.pid_space) == (here.host, here.pid_space) and _surely_dead(theirs):
        return f"its process {theirs.pid} has ended"
    allowance = timedelta(0) if theirs.host == here.host else CLOCK_SKEW
    if from_text(lease.info.expires_at) + allowance <= now:
        return f"it expired at {lease.info.expires_at}"
    return ""


def _locked(info: LeaseInfo) -> StateLockedError:
    return StateLockedError(
        f"the state is locked by {info.holder} ({info.command}) since {info.acquired_at}; "
        f"unless renewed the lock expires at {info.expires_at}",
        hint="Run it again when that is done. A lock whose holder is gone expires by itself.",
    )


def _row(connection: sqlite3.Connection) -> Lease | None:
    row = connection.execute(
        "SELECT holder, command, token, acquired_at, expires_at, host, pid_space, pid, started "
        "FROM lease"
    ).fetchone()
    return Lease(LeaseInfo(*row[:5]), Process(*row[5:])) if row else None


def _surely_dead(process: Process) -> bool:
    try:
        os.kill(process.pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass  # it lives, as another user
    started = _started(process.pid)
    return bool(started and process.started and started != process.started)


def _pid_space() -> str:
    """Boot and pid namespace; empty where the system does not tell (one host, one space)."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def _started(pid: int) -> str:
    """Start time of a process in clock ticks since boot, `ended` for a zombie, empty if unknown."""
    try:
        # The name in parentheses may hold anything, spaces too; fields count from behind it.
        status = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "ended" if status[0] in {"Z", "X"} else status[19]
