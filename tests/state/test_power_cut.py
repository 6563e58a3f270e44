"""What was reported as committed is there after a power cut that drops every unsynced write."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest

from loopwright.clock import FakeClock
from loopwright.state.sqlite import SqliteState, open_state
from support.powercut import Event, Op, Trace, record, requires_shim
from support.states import names, write

pytestmark = requires_shim

COMMITTER = Path(__file__).with_name("committer.py")
STATE = Path("project", "state.db")


def run(folder: Path, *pragmas: str) -> Trace:
    folder.mkdir()
    command = [sys.executable, str(COMMITTER), str(folder / STATE), "two-sessions", *pragmas]
    return record(command, folder)


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Trace:
    return run(tmp_path_factory.mktemp("cut") / "disk")


def reported(trace: Trace, at: int) -> list[str]:
    return [line.split()[1] for position, line in trace.said if position <= at]


def left(folder: Path) -> SqliteState:
    return open_state(folder / STATE, clock=FakeClock())


def lost(trace: Trace, tmp_path: Path) -> list[str]:
    """Names that were reported as committed and are not there after a cut at that moment."""
    missing = []
    for at, line in trace.said:
        state = left(trace.after_cut(at, into=tmp_path / f"cut-{at}"))
        missing += sorted(set(reported(trace, at)) - set(names(state.records())))
        assert int(line.split()[0]) >= state.serial
    return missing


def test_every_reported_commit_survives_a_cut_right_after_it(trace: Trace, tmp_path: Path) -> None:
    assert len(trace.said) == 6
    assert lost(trace, tmp_path) == []


@pytest.mark.parametrize("pragma", ["synchronous = OFF", "synchronous = NORMAL"])
def test_without_the_syncs_the_same_check_finds_losses(tmp_path: Path, pragma: str) -> None:
    unsafe = run(tmp_path / "disk", pragma)

    assert lost(unsafe, tmp_path)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 0.95])
def test_a_cut_anywhere_leaves_whole_commits_and_a_usable_state(
    trace: Trace, tmp_path: Path, share: float
) -> None:
    chance = random.Random(share)

    def survives(_: Event) -> bool:
        return chance.random() < share

    for at in range(chance.randrange(5), len(trace.events), 5):
        folder = trace.after_cut(at, into=tmp_path / f"cut-{at}", survives=survives)
        state = left(folder)
        done = names(state.records())
        assert done[: len(reported(trace, at))] == reported(trace, at)
        assert state.serial == len(done) == len(list(state.journal()))
        assert len(done) <= len(reported(trace, at)) + 1
        with state.session(holder="later", command="apply") as session:
            assert write(session, "later") == len(done) + 1


def test_the_recording_sees_the_syncs_of_file_and_folder(trace: Trace) -> None:
    synced = {Path(event.path).name for event in trace.events if event.op is Op.SYNC}

    assert {"disk", "project", "state.db", "state.db-wal"} <= synced
