"""What was reported as committed is there after the process was killed at any moment."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from loopwright.clock import SystemClock
from loopwright.state.sqlite import open_state

COMMITTER = Path(__file__).with_name("committer.py")


@pytest.mark.parametrize("reports", [1, 7, 60])
def test_no_kill_loses_a_reported_commit(path: Path, reports: int) -> None:
    said: list[list[str]] = []
    for _ in range(3):  # each life begins with the remains of the one before
        said += _lines_until_killed(path, reports)

    state = open_state(path, clock=SystemClock())
    kept = {record.origin for record in state.records().values()}
    journal = list(state.journal())
    takeovers = [line for line in journal if line.kind == "lease"]
    assert {name * 300 for _, name in said} <= kept
    assert len(journal) - len(takeovers) == len(kept) == state.serial
    assert [line.data["newToken"] for line in takeovers] == [2, 3]
    assert all("has ended" in line.data["because"] for line in takeovers)


def _lines_until_killed(path: Path, reports: int) -> list[list[str]]:
    command = [sys.executable, str(COMMITTER), str(path), "endless"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout
        lines = [child.stdout.readline() for _ in range(reports)]
        child.kill()
        lines += child.stdout.readlines()
    return [line.split() for line in lines if line.endswith("\n")]
