"""A job as it lies on disk: what to do, who is doing it, how it stands. Read by both sides.

`job.json` is written before the child starts and never again; `status.json` is replaced by the
child; `cancel` asks it to stop. Whoever holds the lock is the job's one living process.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import orjson

from loopwright.disk import Disk
from loopwright.locks import hold, is_held
from loopwright.providers.base import OperationStatus, Progress

_LONGEST_WORDS = 400
_SAID_WHEN = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} [A-Z]+ ")


@dataclass(frozen=True, slots=True)
class Job:
    """What a child process is to do. References to secrets only, never a secret."""

    task: str
    """The module whose `run` does it."""
    external_id: str
    owner: str
    arguments: Mapping[str, Any]
    places: Mapping[str, str]
    revision: int | None = None
    fingerprint: str = ""
    grace: float = 5.0
    """Seconds that it may take to stop well when it is cancelled; then it is killed."""


@dataclass(frozen=True, slots=True)
class Status:
    """How a job stands, as its child last said."""

    status: OperationStatus
    external_id: str = ""
    outputs: Mapping[str, Any] = field(default_factory=dict)
    progress: Progress | None = None
    message: str = ""
    transient: bool = False
    waiting: str = ""


@dataclass(frozen=True, slots=True)
class Worker:
    """A child process. The start time tells it from a later process with its number."""

    pid: int
    started: str
    attempt: int
    fruitless: int = 0
    """Attempts in a row before this one that brought the job no further."""
    reached: float = 0.0
    """How far the attempts before this one had come, as they told."""

    def fruitless_after(self, status: Status | None) -> int:
        """Attempts in a row that brought it no further, this one included, if it ends here."""
        return 0 if _done(status) > self.reached else self.fruitless + 1

    def reached_after(self, status: Status | None) -> float:
        return max(self.reached, _done(status))


@dataclass(frozen=True, slots=True)
class JobFolder:
    """One job's folder. Reading what is not there, or torn by a power cut, gives None."""

    path: Path

    @property
    def log(self) -> Path:
        return self.path / "log"

    def job(self) -> Job | None:
        data = self._read("job.json")
        return Job(**data) if data else None

    def write_job(self, job: Job) -> None:
        Disk().make_folders(self.path)
        self._write("job.json", asdict(job))

    def status(self) -> Status | None:
        data = self._read("status.json")
        if not data:
            return None
        progress = data.pop("progress")
        status = OperationStatus(data.pop("status"))
        return Status(status=status, progress=Progress(**progress) if progress else None, **data)

    def write_status(self, status: Status) -> None:
        self._write("status.json", asdict(status))

    def worker(self) -> Worker | None:
        data = self._read("worker.json")
        return Worker(**data) if data else None

    def write_worker(self, worker: Worker) -> None:
        self._write("worker.json", asdict(worker))

    def claim(self) -> dict[str, Any] | None:
        """What an earlier attempt settled for all later ones."""
        return self._read("claim.json")

    def write_claim(self, claim: Mapping[str, Any]) -> None:
        self._write("claim.json", dict(claim))

    @property
    def is_cancelled(self) -> bool:
        return (self.path / "cancel").exists()

    def ask_to_cancel(self) -> None:
        Disk().write_atomic(self.path / "cancel", b"")

    def hold(self) -> int | None:
        """The lock, for the life of this process; None while another lives. Never given back."""
        return hold(self.path / "lock")

    def is_alive(self) -> bool:
        """Whether some process works on it now. The kernel knows, so a kill leaves no doubt."""
        return is_held(self.path / "lock")

    def send(self, number: signal.Signals) -> None:
        """Signal the living worker; a process that merely has its number is left alone."""
        worker = self.worker()
        if worker and self.is_alive() and started_at(worker.pid) == worker.started:
            with suppress(ProcessLookupError):
                os.kill(worker.pid, number)

    def log_lines(self) -> list[str]:
        with suppress(FileNotFoundError):
            return self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return []

    def last_words(self) -> str:
        """The last line of the log, without when and how urgently it was said."""
        said = (line.strip() for line in reversed(self.log_lines()))
        return _SAID_WHEN.sub("", next(filter(None, said), "none"))[:_LONGEST_WORDS]

    def _read(self, name: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = orjson.loads((self.path / name).read_bytes())
        except (FileNotFoundError, orjson.JSONDecodeError):
            return None
        return found

    def _write(self, name: str, data: Mapping[str, Any]) -> None:
        Disk().write_atomic(self.path / name, orjson.dumps(data))


def _done(status: Status | None) -> float:
    return status.progress.done if status and status.progress else 0.0


def started_at(pid: int) -> str:
    """When a process began, as the system counts it; empty when there is none or it is unknown."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    # The name in brackets may hold anything; what counts comes after it.
    return stat.rpartition(")")[2].split()[19]
