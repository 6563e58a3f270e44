"""Logs and recorders over small lakes, and spool disks that fill up, die or lose their power."""

from __future__ import annotations

import errno
import os
import shutil
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import orjson
from lake_world import MARKER, QuickDisk, new_lake, table

from loopwright.lake.capture.call_log import CallLog
from loopwright.lake.capture.completeness import Audit, audit
from loopwright.lake.capture.recorder import Recorder
from loopwright.lake.capture.records import CapturedCall, Ticket
from loopwright.lake.capture.spool import SpoolDisk
from loopwright.lake.store import Lake

NOW = 1_790_000_000_000_000
_REBOOTED = "an earlier boot"


def captured(ticket: Ticket, **columns: Any) -> CapturedCall:
    """The call of a ticket, finished; its text names it."""
    message = {"role": "user", "content": f"{MARKER} {ticket.call_id}"}
    return CapturedCall(
        ticket=ticket,
        request=orjson.dumps({"messages": [message]}),
        response=b'{"choices":[]}',
        subject="somebody@example.com",
        columns={"ts": NOW, "outcome": "ok", **columns},
    )


class SpoilableDisk(SpoolDisk):
    """A spool disk that can be `full` or `dead`, and that knows what a power cut would leave."""

    def __init__(self) -> None:
        self.full = self.dead = False
        self._fresh = count()
        self._names: dict[str, int] = {}  # path -> which file it is
        self._open: dict[int, int] = {}  # descriptor -> which file it is
        self._durable: dict[int, bytes] = {}
        self._written: dict[int, bytes] = {}
        self._durable_names: dict[str, dict[str, int]] = {}

    def create(self, path: str) -> int:
        self._check(writes=True)
        descriptor = super().create(path)
        self._names[path] = self._open[descriptor] = next(self._fresh)
        return descriptor

    def write(self, descriptor: int, data: bytes) -> int:
        if self.full:  # takes a part, as a real one does
            super().write(descriptor, data[: len(data) // 2])
        self._check(writes=True)
        done = super().write(descriptor, data)
        file = self._open[descriptor]
        self._written[file] = self._written.get(file, b"") + data[:done]
        return done

    def truncate(self, descriptor: int, size: int) -> None:
        self._check()
        super().truncate(descriptor, size)

    def sync(self, descriptor: int) -> None:
        self._check()
        super().sync(descriptor)
        file = self._open[descriptor]
        self._durable[file] = self._written.get(file, b"")

    def sync_path(self, path: Path) -> None:
        self._check()
        if path.is_dir():
            self._durable_names[str(path)] = {
                name: file
                for place, file in self._names.items()
                if os.path.dirname(place) == str(path)
                for name in [os.path.basename(place)]
            }
        else:
            file = self._names[str(path)]
            self._durable[file] = self._written.get(file, b"")

    def rename(self, source: str, target: str) -> None:
        self._check()
        super().rename(source, target)
        self._names[target] = self._names.pop(source)

    def remove(self, path: Path) -> None:
        self._check()
        super().remove(path)
        self._names.pop(str(path), None)

    def close_all(self) -> None:
        for descriptor in self._open:
            try:
                os.close(descriptor)
            except OSError:
                continue
        self._open.clear()

    def cut_power(self, spool: Path, *, torn: float) -> None:
        """Leave what was synced, and of the rest a share `torn`, ending in garbage."""
        there = {str(path) for path in spool.glob("*/")}
        for folder in there | self._durable_names.keys():
            shutil.rmtree(folder, ignore_errors=True)
            Path(folder).mkdir()
            (Path(folder) / "lock").write_text(_REBOOTED)
            for name, file in self._durable_names.get(folder, {}).items():
                kept, written = self._durable.get(file, b""), self._written.get(file, b"")
                more = written[len(kept) : len(kept) + int((len(written) - len(kept)) * torn)]
                garbage = b"\x00" * len(more[-3:])
                (Path(folder) / name).write_bytes(kept + more[:-3] + garbage)

    def _check(self, *, writes: bool = False) -> None:
        if self.dead:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        if writes and self.full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def kill(log: CallLog, disk: SpoilableDisk) -> None:
    """End a log as SIGKILL would: nothing more is written, and its lock is free."""
    disk.dead = True
    log._file._committing.close()
    assert log._held is not None
    os.close(log._held)
    log._held = None
    disk.close_all()
    disk.dead = False


@dataclass
class CaptureWorld:
    """A lake, its spool and a recorder."""

    folder: Path
    disk: SpoilableDisk = field(default_factory=SpoilableDisk)
    lake: Lake = field(init=False)
    recorder: Recorder = field(init=False)

    def __post_init__(self) -> None:
        self.lake = new_lake(self.folder / "lake", disk=QuickDisk())
        self.recorder = Recorder(self.folder / "spool", lambda name: self.lake, disk=self.disk)

    @property
    def spool(self) -> Path:
        return self.folder / "spool" / "main"

    def log(self, gateway_id: str = "gw", **options: Any) -> CallLog:
        options.setdefault("disk", self.disk)
        return CallLog.open(self.spool, lake=self.lake, gateway_id=gateway_id, **options)

    def record_all(self) -> None:
        """Empty the spool; nothing may stand in the way."""
        found = self.recorder.step()
        assert not found.problems, found.problems

    def audit(self) -> Audit:
        return audit(self.lake, self.spool)

    def calls(self) -> list[str]:
        """Ids of the calls in the lake, by ingest sequence."""
        return list(table(self.lake.snapshot(), ["call_id"])["call_id"].to_pylist())

    def segments(self) -> list[Path]:
        return sorted(path for path in self.spool.glob("*/*") if path.suffix in (".log", ".open"))


def hand_over(log: CallLog, *numbers: int, endpoint: str = "chat") -> list[str]:
    """Accept and record these calls; returns their ids."""
    made = []
    for number in numbers:
        ticket = log.accept(endpoint, call_id=f"call-{number}", ts=NOW)
        log.record(captured(ticket))
        made.append(ticket.call_id)
    return made


def let_go(log: CallLog) -> None:
    """Rotate, and wait until the recorder may take everything."""
    log.rotate()
    log.commit().result(timeout=60)
