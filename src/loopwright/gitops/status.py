"""What the watcher says of itself in `watch.json`, for `status`, for restarts and for people.

The file is replaced whole, so a reader never sees half of it. It is no state: losing it loses
only which revision was good last and which causes were told.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import orjson

FILE = "watch.json"
LOCK = "watch.lock"
_VERSION = 1


@dataclass(slots=True)
class WatchStatus:
    """Times are RFC 3339 in UTC; empty where there is nothing to say."""

    holder: str = ""
    """user@host pid of the watcher."""
    started_at: str = ""
    stopped_at: str = ""
    source: str = ""
    revision: str = ""
    commit: str = ""
    last_good: Mapping[str, str] = field(default_factory=dict)
    """id, commit, since: the revision that is kept up."""
    last_pass: Mapping[str, Any] = field(default_factory=dict)
    """at, took (seconds), why, ending, exit_code, message, changes."""
    next_pass: Mapping[str, str] = field(default_factory=dict)
    """at, why."""
    problems: Sequence[Mapping[str, Any]] = field(default_factory=list)
    """what, message, since, revision, diagnostics."""
    suspended: str = ""
    waits_for: str = ""
    """Who holds the lock on the state, when that kept the last pass from its work."""
    running: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    """Address -> the newest progress of its operation."""
    passes: dict[str, int] = field(default_factory=dict)
    """How many passes ended how, since the start."""
    causes: Sequence[Mapping[str, Any]] = field(default_factory=list)
    """Causes that were told and are not resolved."""
    listen: str = ""
    """host:port of health and metrics."""

    def to_json(self) -> dict[str, Any]:
        return {"version": _VERSION, **asdict(self)}


class StatusFile:
    """The one writer of `watch.json`; writes only what differs from the last time."""

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / FILE
        self._written = b""

    def write(self, status: WatchStatus) -> None:
        """Raises OSError when the disk refuses."""
        data = orjson.dumps(status.to_json(), option=orjson.OPT_INDENT_2)
        if data == self._written:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = self._path.with_suffix(".new")
        draft.write_bytes(data)
        os.replace(draft, self._path)
        self._written = data


def read_status(state_dir: Path) -> WatchStatus | None:
    """What the last watcher said; None when there was none or its file is of no use."""
    try:
        data = orjson.loads((state_dir / FILE).read_bytes())
    except (OSError, ValueError):
        return None
    if not isinstance(data, dict) or data.get("version") != _VERSION:
        return None
    known = {item.name for item in fields(WatchStatus)}
    return WatchStatus(**{name: value for name, value in data.items() if name in known})
