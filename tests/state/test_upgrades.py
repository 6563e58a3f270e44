"""Files of older formats are read as they are, and upgraded whole by the first writer.

`fixtures/vN.db` was recorded when format N was current; it is never made anew.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from loopwright.clock import FakeClock
from loopwright.errors import StateLockedError, StateVersionError
from loopwright.resources.address import Address
from loopwright.state import schema, upgrades
from loopwright.state.session import SqliteSession
from loopwright.state.sqlite import open_state

Begin = Callable[..., SqliteSession]
FIXTURES = Path(__file__).with_name("fixtures")


@pytest.fixture
def old(path: Path) -> Path:
    path.parent.mkdir(parents=True)
    shutil.copyfile(FIXTURES / "v1.db", path)
    return path


def execute(path: Path, statement: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection, connection:
        return connection.execute(statement).fetchall()


def test_every_older_format_has_a_recorded_file_and_a_step() -> None:
    recorded = sorted(FIXTURES.glob("v*.db"))

    assert [path.name for path in recorded] == [f"v{n}.db" for n in range(1, schema.FORMAT)]
    assert len(upgrades._STEPS) == schema.FORMAT - 1


def test_reading_an_older_file_upgrades_nothing_on_disk(old: Path) -> None:
    state = open_state(old, clock=FakeClock())

    dataset = state.record(Address("Dataset", "intents"))

    assert dataset
    assert dataset.dependencies == ("Lake/calls", "Provider/local")
    assert len(state.records()) == 3
    assert [line.actor for line in state.journal()] == [""] * 4
    assert (state.serial, state.lineage) == (4, "0f1e2d3c4b5a69788796a5b4c3d2e1f0")
    assert old.read_bytes() == (FIXTURES / "v1.db").read_bytes()
    assert list(old.parent.iterdir()) == [old]


def test_an_older_file_that_was_cut_off_while_in_use_is_read(old: Path) -> None:
    with closing(sqlite3.connect(old)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("UPDATE meta SET value = 5 WHERE key = 'serial'")
        connection.commit()
        state = open_state(old, clock=FakeClock())

        assert (state.serial, len(state.records())) == (5, 3)


def test_a_session_upgrades_what_it_finds_and_keeps_a_copy(old: Path, begin: Begin) -> None:
    before = open_state(old, clock=FakeClock())
    records, lines = before.records(), list(before.journal())

    session = begin("bob@here pid 2", "apply")

    *kept, upgraded = session.journal()
    assert session.records() == records
    assert kept == lines
    assert (upgraded.kind, upgraded.actor) == ("upgraded", "bob@here pid 2")
    assert upgraded.data == {"from": 1, "to": 2, "copy": "state.db.v1.bak"}
    assert (session.serial, session.lineage) == (before.serial, before.lineage)
    assert session.token == 4
    session.close()
    copy = old.with_name("state.db.v1.bak")
    assert execute(copy, "SELECT value FROM meta WHERE key = 'format'") == [(1,)]
    assert open_state(copy, clock=FakeClock()).records() == records
    assert sorted(found.name for found in old.parent.iterdir()) == [old.name, copy.name]


def test_an_upgrade_that_fails_leaves_the_old_file(
    old: Path, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    def half_way(connection: sqlite3.Connection) -> None:
        connection.execute("DELETE FROM records")
        raise RuntimeError("power cut")

    before = open_state(old, clock=FakeClock()).records()
    with monkeypatch.context() as patch:
        patch.setattr(upgrades, "_STEPS", (half_way,))
        with pytest.raises(RuntimeError):
            begin()

    assert execute(old, "SELECT value FROM meta WHERE key = 'format'") == [(1,)]
    assert begin().records() == before


def test_a_file_in_use_by_an_older_loopwright_is_not_upgraded_beneath_it(
    old: Path, begin: Begin
) -> None:
    execute(old, "UPDATE lease SET expires_at = '2026-01-01T00:01:00Z'")

    with pytest.raises(StateLockedError, match="ann@build pid 77"):
        begin()

    assert execute(old, "SELECT value FROM meta WHERE key = 'format'") == [(1,)]


def test_a_newer_file_is_left_alone(path: Path, begin: Begin) -> None:
    state = open_state(path, clock=FakeClock())
    begin().close()
    execute(path, f"UPDATE meta SET value = {schema.FORMAT + 1} WHERE key = 'format'")
    before = path.read_bytes()

    with pytest.raises(StateVersionError, match="has format 3; this loopwright knows up to 2"):
        open_state(path, clock=FakeClock())
    with pytest.raises(StateVersionError):
        state.session(holder="ann", command="apply")
    assert path.read_bytes() == before
