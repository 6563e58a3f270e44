"""The state file on disk: making it, copying it, opening it to read or to write.

At rest the state is one file. While a session writes, it is in WAL mode with `-wal` and `-shm`
beside it. Reading never creates, changes or removes anything of it.
"""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

from loopwright.errors import StateError, StateVersionError
from loopwright.state import schema, upgrades
from loopwright.state.refusals import REBUILD, explained

_BUSY_SECONDS = 15.0
_NEEDS_A_WRITER = {
    "SQLITE_READONLY_ROLLBACK",
    "SQLITE_READONLY_RECOVERY",
    "SQLITE_READONLY_CANTINIT",
    "SQLITE_CANTOPEN",
}


def open_to_read(path: Path) -> sqlite3.Connection:
    """A connection that cannot change `path`, in the current format.

    A missing file reads as an empty state, an older format is upgraded in a copy in memory.
    Raises StateError, StateVersionError.
    """
    with explained(path):
        if _is_missing(path):
            return _empty()
        connection = _connect(path, mode="ro")
        try:
            found = known_format(connection, path)
        except sqlite3.OperationalError as problem:
            connection.close()
            if problem.sqlite_errorname not in _NEEDS_A_WRITER:
                raise
            return _recovered(path)
        except BaseException:
            connection.close()
            raise
        if found == schema.FORMAT:
            return connection
        with closing(connection):
            return _in_memory(connection)


def open_to_write(path: Path) -> sqlite3.Connection:
    """A connection whose commits are on disk when they return; makes a missing file.

    What it finds may be in an older format. Raises StateError, StateVersionError.
    """
    with explained(path):
        if _is_missing(path):
            _create(path)
        connection = _connect(path)
        try:
            known_format(connection, path)
            check_pages(connection, path)
            _enter_wal(connection)
            # FULL for the WAL, and the folder too where the file system has no WAL.
            connection.execute("PRAGMA synchronous = EXTRA")
        except BaseException:
            connection.close()
            raise
        return connection


def close_written(connection: sqlite3.Connection) -> None:
    """Close a writing connection, leaving one file unless somebody is reading at this moment."""
    with closing(connection):
        try:
            connection.execute("PRAGMA busy_timeout = 0")
            connection.execute("PRAGMA journal_mode = DELETE").fetchone()
        except sqlite3.DatabaseError:
            return  # the next session tidies up; what was committed is safe either way


def keep_copy(path: Path, target: Path) -> None:
    """Copy the committed content of the state to `target`, durably, replacing what is there."""
    with _draft_of(target) as draft:
        with closing(_connect(path, mode="ro")) as source, closing(_connect(draft)) as copy:
            source.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE").fetchone()
        os.replace(draft, target)
        _sync_folder(target.parent)


def known_format(connection: sqlite3.Connection, path: Path) -> int:
    """The format of the file. Raises StateVersionError when it is newer than ours."""
    found = schema.fact(connection, "format")
    if not isinstance(found, int):
        raise StateError(f"the state {path} does not say its format", hint=REBUILD)
    if found > schema.FORMAT:
        raise StateVersionError(
            f"the state {path} has format {found}; this loopwright knows up to {schema.FORMAT}",
            hint="Use the newer loopwright that wrote it.",
        )
    return found


def check_pages(connection: sqlite3.Connection, path: Path) -> None:
    """Raises StateError when what says what exists is damaged; about 2 ms for 5,000 resources.

    The journal is left out: it grows for ever, and reading it finds its own damage.
    """
    for table in ("meta", "records", "lease"):
        found = connection.execute(f"PRAGMA quick_check({table})").fetchone()[0]
        if found != "ok":
            raise StateError(f"the state {path} is damaged: {found}", hint=REBUILD)


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All or nothing, and durable when it ends; takes the file's write lock at once."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # SQLite itself rolls back on some disk errors
            connection.execute("ROLLBACK")
        raise


def _enter_wal(connection: sqlite3.Connection) -> None:
    """Change the journal mode; SQLite's own waiting for locks leaves this statement out."""
    deadline = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL").fetchone()
            return
        except sqlite3.OperationalError as problem:
            busy = problem.sqlite_errorname.startswith("SQLITE_BUSY")
            if not busy or time.monotonic() > deadline:
                raise
        time.sleep(random.uniform(0.001, 0.01))  # two that collide must not do so for ever


def _create(path: Path) -> None:
    """Make an empty state whole or not at all: a half-made one never bears its name."""
    _make_folder(path.parent)
    with _draft_of(path) as draft:
        with closing(_connect(draft)) as connection, transaction(connection):
            schema.lay_out(connection, lineage=uuid4().hex)
        try:
            os.link(draft, path)
        except FileExistsError:
            return  # another process was first; its file is as good
    _sync_folder(path.parent)


def _is_missing(path: Path) -> bool:
    """Whether no state was ever made here. Raises StateError when one was, and is lost.

    To take a lost state for a new one would plan everything that exists a second time.
    """
    if path.exists():
        if not path.stat().st_size:
            raise StateError(f"the state {path} is an empty file", hint=REBUILD)
        return False
    for rest in (_beside(path, "-wal"), _beside(path, "-journal")):
        if rest.exists() and not path.exists():  # it may have been made just now
            raise StateError(
                f"the state {path} is gone, but {rest.name} is there",
                hint=f"Put the file back. {REBUILD} Remove {rest.name} to begin with no state.",
            )
    return True


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _connect(path: Path, *, mode: str = "rw") -> sqlite3.Connection:
    return sqlite3.connect(
        f"file:{quote(str(path.absolute()))}?mode={mode}",
        uri=True,
        timeout=_BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
    )


def _empty() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    schema.lay_out(connection, lineage="")
    return connection


def _in_memory(source: sqlite3.Connection) -> sqlite3.Connection:
    copy = sqlite3.connect(":memory:", isolation_level=None)
    try:
        source.backup(copy)
        with transaction(copy):
            upgrades.upgrade(copy)
    except BaseException:
        copy.close()
        raise
    return copy


def _recovered(path: Path) -> sqlite3.Connection:
    """What a file shows that was cut off and has to be put in order by a writer.

    A reader may not be one, so it puts a private copy in order.
    """
    with tempfile.TemporaryDirectory(prefix="loopwright-") as folder:
        for part in (path, _beside(path, "-journal"), _beside(path, "-wal")):
            if part.exists():
                shutil.copyfile(part, Path(folder, part.name))
        with closing(_connect(Path(folder, path.name))) as copy:
            known_format(copy, path)
            return _in_memory(copy)


@contextmanager
def _draft_of(path: Path) -> Iterator[Path]:
    """A new file beside `path`, for this user alone, gone at the end unless it was renamed."""
    draft = path.with_name(f"{path.name}.{uuid4().hex}.new")
    os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    try:
        yield draft
    finally:
        draft.unlink(missing_ok=True)


def _make_folder(folder: Path) -> None:
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)
    _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
