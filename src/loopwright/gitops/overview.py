"""What `loopwright status` shows, as a value: the watcher, and a line a resource from state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from loopwright.gitops.status import LOCK, WatchStatus, read_status
from loopwright.gitops.suspension import environment_suspension, in_words
from loopwright.locks import is_held
from loopwright.state.records import Record
from loopwright.state.store import StateReader

_SHOWN = ("Ready", "Synced", "Stalled")


@dataclass(frozen=True, slots=True)
class Line:
    """One resource."""

    address: str
    conditions: Mapping[str, bool]
    since: str = ""
    """When the condition that matters last changed."""
    reason: str = ""
    revision: str = ""
    suspended: str = ""
    running: str = ""
    """Action, since when, and how far."""

    @property
    def word(self) -> str:
        """The one condition a person looks for first."""
        if self.suspended:
            return "Suspended"
        if self.running:
            return "Running"
        if self.conditions.get("Stalled"):
            return "Stalled"
        return "Ready" if self.conditions.get("Ready", True) else "NotReady"

    def to_json(self) -> dict[str, Any]:
        found = {name: getattr(self, name) for name in self.__slots__}
        return {name: value for name, value in found.items() if value or name == "conditions"}


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything `status` knows."""

    environment: str
    is_alive: bool
    watch: WatchStatus | None
    suspended: str = ""
    locked_by: str = ""
    lines: tuple[Line, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    """Resources by their word."""

    def to_json(self) -> dict[str, Any]:
        return {
            "environment": self.environment,
            "watcher": {"alive": self.is_alive, **(self.watch.to_json() if self.watch else {})},
            "suspended": self.suspended,
            "lockedBy": self.locked_by,
            "counts": dict(self.counts),
            "resources": [line.to_json() for line in self.lines],
        }


def overview(state: StateReader, state_dir: Path, *, environment: str, now: datetime) -> Overview:
    """Reads state and the watcher's file; neither has to be there. Raises StateError."""
    watch = read_status(state_dir)
    progress = watch.running if watch else {}
    lines = tuple(
        _line(record, progress.get(str(address), {}))
        for address, record in sorted(state.records().items())
    )
    counts: dict[str, int] = {}
    for line in lines:
        counts[line.word] = counts.get(line.word, 0) + 1
    suspension = environment_suspension(state, now)
    lease = state.lease()
    return Overview(
        environment=environment,
        is_alive=is_held(state_dir / LOCK),
        watch=watch,
        suspended=in_words(suspension) if suspension else "",
        locked_by=f"{lease.holder} ({lease.command})" if lease else "",
        lines=lines,
        counts=counts,
    )


def _line(record: Record, progress: Mapping[str, Any]) -> Line:
    known = {condition.type: condition for condition in record.conditions}
    stalled = known.get("Stalled")
    matters = stalled if stalled and stalled.status else known.get("Ready")
    version = (record.outputs.get("version") or record.current) if record.current else ""
    return Line(
        address=str(record.address),
        conditions={name: known[name].status for name in _SHOWN if name in known},
        since=matters.since if matters else record.updated_at,
        reason=record.last_error or ("retained" if record.retained else ""),
        revision=f"v{version}" if version else "",
        suspended=in_words(record.suspension) if record.suspension else "",
        running=_running(record, progress),
    )


def _running(record: Record, progress: Mapping[str, Any]) -> str:
    pending = record.pending
    if pending is None:
        return ""
    if not pending.sent:
        return f"{pending.action} in doubt since {pending.since}"
    how_far = _how_far(progress or pending.operation.get("progress") or {})
    return f"{pending.action} since {pending.since}{how_far}"


def _how_far(progress: Mapping[str, Any]) -> str:
    done, total = progress.get("done") or 0, progress.get("total") or 0
    if not (done or total):
        return ""
    share = f", {done / total:.0%}" if total else ""
    of = f" of {total:,.0f}" if total else ""
    unit = f" {progress['unit']}" if progress.get("unit") else ""
    eta = progress.get("eta_seconds")
    left = f", about {eta / 60:,.0f} min left" if eta else ""
    return f"{share}, {done:,.0f}{of}{unit}{left}"
