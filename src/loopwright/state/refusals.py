"""What SQLite and the system say when the state cannot be used, in words for the user.

Every access to the file runs inside `explained`; nothing else turns their errors into ours.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from loopwright.errors import StateError

REBUILD = (
    "Restore a copy of the file, or move it aside and run `loopwright adopt`, which rebuilds the "
    "state from the owner tags of the remote objects."
)
_SAFE = "What was reported as done is safe."
_ACCESS = "Check the owner and mode of the file and its folder."

_REASONS = {
    "SQLITE_FULL": ("the disk is full", f"Free some space and run it again. {_SAFE}"),
    "SQLITE_IOERR": ("the disk refused", f"Check the disk, then run it again. {_SAFE}"),
    "SQLITE_READONLY": ("it may not be written", f"{_ACCESS} {_SAFE}"),
    "SQLITE_PERM": ("it may not be opened", _ACCESS),
    "SQLITE_CANTOPEN": ("it cannot be opened", _ACCESS),
    "SQLITE_BUSY": ("another process keeps it locked", "Run it again when that one is done."),
    "SQLITE_NOTADB": ("it is not a state file, or it is damaged", REBUILD),
    "SQLITE_CORRUPT": ("it is damaged", REBUILD),
    "SQLITE_ERROR": ("it is not a state of loopwright", REBUILD),
}
_UNKNOWN = ("SQLite refused", f"Check the file and its disk. {_SAFE}")


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Raise StateError, naming `path` and what to do next, where the file or disk refuses."""
    try:
        yield
    except sqlite3.DatabaseError as problem:
        explanation = _explanation(problem)
        if not explanation:
            raise  # a value that SQLite cannot hold: not the file's fault
        reason, hint = explanation
        message = f"cannot use the state {path}: {reason} ({problem})"
        raise StateError(message, hint=hint) from problem
    except OSError as problem:
        reason = problem.strerror or str(problem)
        raise StateError(f"cannot use the state {path}: {reason}", hint=_ACCESS) from problem


def _explanation(problem: sqlite3.DatabaseError) -> tuple[str, str] | None:
    name = getattr(problem, "sqlite_errorname", "")
    primary = "_".join(name.split("_")[:2])  # SQLITE_IOERR_WRITE -> SQLITE_IOERR
    unforeseen = _UNKNOWN if isinstance(problem, sqlite3.OperationalError) else None
    return _REASONS.get(primary, unforeseen)
