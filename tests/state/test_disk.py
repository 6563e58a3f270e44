"""A torn, damaged, full or read-only disk: said in clear words, and nothing lost."""

from __future__ import annotations

import os
import resource
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from loopwright.clock import FakeClock
from loopwright.errors import StateError
from loopwright.state.session import SqliteSession
from loopwright.state.sqlite import SqliteState, open_state
from support.states import names, write

Begin = Callable[..., SqliteSession]
NOBODY = 65534


def state_at(path: Path) -> SqliteState:
    return open_state(path, clock=FakeClock())


def test_a_torn_journal_tail_shows_the_last_commit_or_not_never_half_of_it(
    path: Path, begin: Begin, tmp_path: Path
) -> None:
    session = begin()
    write(session, "a")
    wal = path.with_name("state.db-wal")
    whole_without_b = wal.stat().st_size
    write(session, "b", origin="x" * 9000)
    torn = tmp_path / "torn"
    torn.mkdir()
    shutil.copyfile(path, torn / "state.db")
    tail = wal.read_bytes()

    seen = []
    for size in [*range(whole_without_b, len(tail), 199), len(tail) - 1, len(tail)]:
        (torn / "state.db-wal").write_bytes(tail[:size])
        (torn / "state.db-shm").unlink(missing_ok=True)
        state = state_at(torn / "state.db")
        done = names(state.records())
        assert state.serial == len(done) == len(list(state.journal()))
        seen.append(done)

    assert seen == [["a"]] * (len(seen) - 1) + [["a", "b"]]


def test_a_flipped_bit_in_the_journal_tail_drops_that_commit_only(
    path: Path, begin: Begin, tmp_path: Path
) -> None:
    session = begin()
    write(session, "a")
    wal = path.with_name("state.db-wal")
    middle_of_b = wal.stat().st_size + 2000
    write(session, "b")
    torn = tmp_path / "torn"
    torn.mkdir()
    shutil.copyfile(path, torn / "state.db")
    tail = bytearray(wal.read_bytes())
    tail[middle_of_b] ^= 1
    (torn / "state.db-wal").write_bytes(tail)

    assert names(state_at(torn / "state.db").records()) == ["a"]


@pytest.fixture
def closed(path: Path, begin: Begin) -> Path:
    """A state of some pages that nobody has open."""
    session = begin()
    for name in "abcdefgh":
        write(session, name, origin="x" * 3000)
    session.close()
    return path


def damage_header(content: bytes) -> bytes:
    return b"not a database, but long enough to be taken for one by its size" + content[64:]


def damage_pages(content: bytes) -> bytes:
    return content[: 2 * 4096] + b"\xff" * 4096 * 3 + content[5 * 4096 :]


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[:50],
        lambda content: content[: len(content) // 2],
        damage_header,
        damage_pages,
    ],
    ids=["empty", "cut in the header", "cut in half", "header", "pages"],
)
def test_a_damaged_file_is_named_with_a_way_out_and_left_as_it_is(
    closed: Path, damage: Callable[[bytes], bytes]
) -> None:
    state = state_at(closed)
    damaged = damage(closed.read_bytes())
    closed.write_bytes(damaged)

    with pytest.raises(StateError, match=r"state\.db") as refused:
        state_at(closed)
    assert "adopt" in (refused.value.hint or "")
    with pytest.raises(StateError, match=r"state\.db"):
        state.session(holder="ann", command="apply")
    assert closed.read_bytes() == damaged


@pytest.mark.parametrize("rest", ["state.db-wal", "state.db-journal"])
def test_a_lost_file_is_not_taken_for_a_new_state(closed: Path, rest: str) -> None:
    state = state_at(closed)
    closed.rename(closed.with_name(rest))

    with pytest.raises(StateError, match=f"is gone, but {rest} is there"):
        state_at(closed)
    with pytest.raises(StateError, match="is gone"):
        state.session(holder="ann", command="apply")
    assert [found.name for found in closed.parent.iterdir()] == [rest]


def test_another_kind_of_database_is_not_taken_for_a_state(path: Path) -> None:
    path.parent.mkdir(parents=True)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE books (title)")

    with pytest.raises(StateError, match="not a state of loopwright"):
        state_at(path)


def test_a_row_that_is_no_record_is_named(closed: Path) -> None:
    with closing(sqlite3.connect(closed)) as connection, connection:
        connection.execute("UPDATE records SET data = '{\"x\": 1}' WHERE address = 'Lake/c'")

    with pytest.raises(StateError, match="row of Lake/c") as refused:
        state_at(closed).records()
    assert "state rm Lake/c" in (refused.value.hint or "")


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """The system refuses to write beyond `size` in any file, in the middle of a write too."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("room", [0, 24, 5000, 9000])
def test_a_disk_that_refuses_a_write_fails_the_commit_and_keeps_the_others(
    path: Path, begin: Begin, room: int
) -> None:
    session = begin()
    write(session, "a")
    used = path.with_name("state.db-wal").stat().st_size

    with largest_file(used + room), pytest.raises(StateError, match="the disk") as refused:
        write(session, "b", origin="x" * 9000)

    assert "safe" in (refused.value.hint or "")
    assert names(state_at(path).records()) == names(session.records()) == ["a"]
    assert write(session, "c") == 2
    session.close()
    assert names(state_at(path).records()) == ["a", "c"]


def test_a_disk_without_room_for_a_new_state_leaves_none(path: Path, begin: Begin) -> None:
    with largest_file(4096), pytest.raises(StateError, match="the disk"):
        begin()

    assert list(path.parent.iterdir()) == []
    assert write(begin(), "a") == 1


@pytest.fixture
def read_only_folder(begin: Begin, path: Path) -> Iterator[Path]:
    """A folder with a state that this process may read and not write, whoever runs the test."""
    write(session := begin(), "a")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary, "project")
        folder.mkdir()
        for name in ("cut.db", "cut.db-wal"):  # as a killed session leaves them
            shutil.copyfile(path.with_name(name.replace("cut", "state")), folder / name)
        session.close()
        shutil.copyfile(path, folder / "state.db")
        for found in folder.iterdir():
            found.chmod(0o444)
        folder.chmod(0o555)
        Path(temporary).chmod(0o755)
        user = os.geteuid()
        os.seteuid(user or NOBODY)
        try:
            yield folder
        finally:
            os.seteuid(user)
            folder.chmod(0o755)


@pytest.mark.parametrize("name", ["state.db", "cut.db"])
def test_a_read_only_folder_can_be_read_and_refuses_a_session(
    read_only_folder: Path, name: str
) -> None:
    state = state_at(read_only_folder / name)

    assert names(state.records()) == ["a"]
    with pytest.raises(StateError, match=r"may not be written|cannot be opened") as refused:
        state.session(holder="ann", command="apply")
    assert "owner and mode" in (refused.value.hint or "")
    left = sorted(found.name for found in read_only_folder.iterdir())
    assert left == ["cut.db", "cut.db-wal", "state.db"]


def test_a_state_cannot_be_made_in_a_read_only_folder(read_only_folder: Path) -> None:
    for place in ("other.db", "deep/er/state.db"):
        state = state_at(read_only_folder / place)
        with pytest.raises(StateError, match="Permission denied"):
            state.session(holder="ann", command="apply")


def test_a_state_below_a_file_is_refused_in_words(closed: Path) -> None:
    state = state_at(closed / "deeper.db")

    with pytest.raises(StateError, match="cannot use the state"):
        state.session(holder="ann", command="apply")
