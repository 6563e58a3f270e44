"""Locks are held by one at a time, and looking at one never keeps anybody from taking it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from threading import Event, Thread

from loopwright.locks import hold, is_held

_HOLDER = """
import sys
from pathlib import Path
from loopwright.locks import hold
held = hold(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def test_a_killed_holder_holds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert not is_held(path)
    with subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        assert is_held(path)
        assert hold(path) is None
        os.kill(holder.pid, signal.SIGKILL)
    assert not is_held(path)
    descriptor = hold(path)
    assert descriptor is not None
    os.close(descriptor)


def test_who_looks_all_the_time_keeps_nobody_out(tmp_path: Path) -> None:
    path, enough = tmp_path / "lock", Event()

    def look() -> None:
        while not enough.is_set():
            is_held(path)

    looking = [Thread(target=look) for _ in range(3)]
    for one in looking:
        one.start()
    for _ in range(100):
        descriptor = hold(path)
        assert descriptor is not None
        os.close(descriptor)
    enough.set()
    for one in looking:
        one.join()


def test_a_path_that_no_file_can_have_is_nobodys(tmp_path: Path) -> None:
    assert not is_held(tmp_path / "a\0b")
    (tmp_path / "file").write_text("")
    assert not is_held(tmp_path / "file" / "lock")
