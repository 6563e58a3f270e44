"""Many threads commit through one session; readers see whole commits and write nothing."""

from __future__ import annotations

import stat
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from loopwright.clock import FakeClock
from loopwright.errors import StateError
from loopwright.resources.address import Address
from loopwright.state.export import export_state
from loopwright.state.records import Record
from loopwright.state.session import SqliteSession
from loopwright.state.sqlite import open_state
from loopwright.state.store import Entry
from support.states import names, write

Begin = Callable[..., SqliteSession]
FOLLOWERS = 5


def snapshot(folder: Path) -> dict[str, tuple[bytes, int]]:
    found = [path for path in folder.rglob("*") if path.is_file()]
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in found}


def read_everything(path: Path) -> None:
    state = open_state(path, clock=FakeClock())
    state.records()
    state.record(Address("Lake", "a"))
    list(state.journal())
    export_state(state)


def test_reading_a_missing_state_creates_nothing(path: Path, tmp_path: Path) -> None:
    state = open_state(path, clock=FakeClock())

    assert (state.lineage, state.serial, state.records(), state.lease()) == ("", 0, {}, None)
    assert list(state.journal()) == []
    assert list(tmp_path.iterdir()) == []


def test_reading_changes_no_byte_and_leaves_no_file(path: Path, begin: Begin) -> None:
    write(session := begin(), "a")
    session.close()
    before = snapshot(path.parent)

    read_everything(path)

    assert list(before) == ["state.db"]
    assert snapshot(path.parent) == before


def test_the_file_and_its_folders_are_for_their_user_alone(path: Path, begin: Begin) -> None:
    write(begin(), "a")

    modes = {found.name: stat.S_IMODE(found.stat().st_mode) for found in path.parent.iterdir()}
    assert modes == {"state.db": 0o600, "state.db-wal": 0o600, "state.db-shm": 0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(path.parent.parent.stat().st_mode) == 0o700


def test_a_reader_sees_what_a_session_commits_meanwhile(path: Path, begin: Begin) -> None:
    state = open_state(path, clock=FakeClock())
    session = begin()

    seen = [(write(session, name), state.serial, names(state.records())) for name in "ab"]

    assert seen == [(1, 1, ["a"]), (2, 2, ["a", "b"])]


def test_every_thread_gets_its_own_serial_and_all_its_lines(begin: Begin) -> None:
    session = begin()

    with ThreadPoolExecutor(8) as pool:
        serials = list(pool.map(lambda n: write(session, f"n{n}", failures=n), range(200)))

    assert sorted(serials) == list(range(1, 201))
    assert session.serial == 200
    assert {one.failures for one in session.records().values()} == set(range(200))
    assert [line.seq for line in session.journal()] == list(range(1, 201))


class Gate:
    """Holds the first group back until FOLLOWERS more commits wait behind it."""

    def __init__(self, session: SqliteSession, monkeypatch: pytest.MonkeyPatch) -> None:
        self.session = session
        self.groups: list[int] = []
        self.first_is_in = threading.Event()
        self.open = threading.Event()
        self.write = session._transact
        monkeypatch.setattr(session, "_transact", self)

    def __call__(self, group: list[Any]) -> None:
        self.groups.append(len(group))
        if not self.first_is_in.is_set():
            self.first_is_in.set()
            self.open.wait()
        self.write(group)

    def run(self, *jobs: Callable[[], int]) -> list[Future[int]]:
        """Futures of the jobs, which all wait while another commit is being written."""
        with ThreadPoolExecutor(len(jobs) + 1) as pool:
            pool.submit(write, self.session, "first")
            self.first_is_in.wait()
            waiting = [pool.submit(job) for job in jobs]
            while len(self.session._queue) < len(jobs):
                threading.Event().wait(0.001)
            self.open.set()
        return waiting


def test_commits_that_wait_share_one_transaction(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(session := begin(), monkeypatch)

    done = gate.run(*[lambda n=n: write(session, f"n{n}") for n in range(FOLLOWERS)])

    assert gate.groups == [1, FOLLOWERS]
    assert sorted(one.result() for one in done) == [2, 3, 4, 5, 6]


def test_a_row_that_cannot_be_stored_fails_its_own_caller_only(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(session := begin(), monkeypatch)
    unfit: Any = object()

    *good, bad = gate.run(
        *[lambda n=n: write(session, f"n{n}") for n in range(FOLLOWERS - 1)],
        lambda: session.commit([Entry("record", run=unfit)]),
    )

    assert sorted(one.result() for one in good) == [2, 3, 4, 5]
    assert bad.exception()
    assert session.serial == 5


def test_a_full_disk_fails_all_who_wait_and_loses_nothing(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(session := begin(), monkeypatch)
    session._writer.execute("PRAGMA max_page_count = 1")

    done = gate.run(*[lambda n=n: write(session, f"n{n}", origin="x" * 9000) for n in range(3)])

    assert all("the disk is full" in str(one.exception()) for one in done)
    session._writer.execute("PRAGMA max_page_count = 100000")
    assert write(session, "later") == session.serial
    assert names(session.records()) == ["first", "later"]


def test_an_interrupted_writer_frees_those_behind_it(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = begin()

    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(session, "_transact", interrupt)
        with pytest.raises(KeyboardInterrupt):
            write(session, "a")

    assert write(session, "b") == 1
    assert names(session.records()) == ["b"]


def test_a_closed_session_neither_reads_nor_writes(begin: Begin) -> None:
    session = begin()
    session.close()
    session.close()

    with pytest.raises(StateError, match="is closed"):
        write(session, "a")
    with pytest.raises(StateError, match="is closed"):
        session.records()


def test_an_export_is_the_records_in_order(begin: Begin) -> None:
    session = begin()
    for name in "ba":
        write(session, name)

    exported = export_state(session)

    assert [Record.from_json(one).address.name for one in exported["records"]] == ["a", "b"]
    assert (exported["serial"], exported["lease"]["token"]) == (2, 1)
    assert exported["lineage"] == session.lineage != ""
