"""Long work as child processes that outlive the command line, found again by their key.

Parent's side: begin, look, stop, clean up. A child that died without a verdict is started again,
since imports, builds and exports go on where they were. What a child does is in `worker`.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from loopwright.errors import TransientError
from loopwright.hashing import sha256_hex
from loopwright.providers.base import Operation, OperationStatus
from loopwright.providers.local.job_folder import Job, JobFolder, Status
from loopwright.providers.local.places import Places

MOST_ATTEMPTS = 5
"""In a row that brought a job no further; what gets further may die as often as it likes."""
FINISHED_KEPT = 20
_KILLED_WITHIN = 5.0
_LONGEST_POLL = 1.0
_SHORTEST_POLL = 0.1


def job_id(key: str) -> str:
    """The short name of a job: a folder, and a part of external ids."""
    return sha256_hex(key.encode())[:16]


@dataclass(frozen=True, slots=True)
class Jobs:
    """The jobs of one provider and environment."""

    places: Places

    def begin(self, key: str, job: Job) -> Operation:
        """Start a job, or find the one that this key has started."""
        folder = JobFolder(self.places.jobs / job_id(key))
        if folder.job() is None:
            self._clean()
            folder.write_job(job)
        return self.poll(Operation(key, OperationStatus.RUNNING, job.external_id))

    def knows(self, key: str) -> bool:
        """Whether the job of this key was begun."""
        return JobFolder(self.places.jobs / job_id(key)).job() is not None

    def poll(self, operation: Operation) -> Operation:
        """How it stands now; what died is started again, as long as that brings it on."""
        if operation.status.is_terminal:
            return operation
        folder = JobFolder(self.places.jobs / job_id(operation.key))
        job = folder.job()
        if job is None:
            return operation.with_status(
                OperationStatus.FAILED, message=f"{folder.path} is gone", transient=True
            )
        alive = folder.is_alive()  # before the status: a verdict comes before the death
        status = folder.status()
        if not alive and (status is None or not status.status.is_terminal):
            status = self._revived(folder)
        return _brought_on(replace(operation, handle={"job": folder.path.name}), folder, status)

    def look(self, operation: Operation) -> Operation:
        """As its process told last, dead or alive; starts nothing."""
        folder = JobFolder(self.places.jobs / job_id(operation.key))
        if operation.status.is_terminal or folder.job() is None:
            return operation
        return _brought_on(operation, folder, folder.status())

    def cancel(self, operation: Operation) -> Operation:
        """Ask it to stop, wait for as long as it may take, then kill. What has ended stays."""
        folder = JobFolder(self.places.jobs / job_id(operation.key))
        job = folder.job()
        if job is None or operation.status.is_terminal:
            return operation
        folder.ask_to_cancel()
        folder.send(signal.SIGTERM)
        if not _waited(folder, job.grace):
            folder.send(signal.SIGKILL)
            _waited(folder, _KILLED_WITHIN)
        return self.poll(operation)

    def find(self, external_id: str) -> JobFolder | None:
        """The newest job that makes or made an object."""
        for folder in self._newest_first():
            job, status = folder.job(), folder.status()
            if external_id in (job and job.external_id, status and status.external_id):
                return folder
        return None

    def _revived(self, folder: JobFolder) -> Status | None:
        worker = folder.worker()
        if folder.is_cancelled:
            return Status(OperationStatus.CANCELLED, message="cancelled")
        fruitless = worker.fruitless_after(folder.status()) if worker else 0
        if worker and fruitless >= MOST_ATTEMPTS:
            message = f"its process died {worker.attempt} times"
            if worker.attempt > fruitless:
                message += f", the last {fruitless} without getting further"
            message += f"; last words: {folder.last_words()}"
            return Status(OperationStatus.FAILED, message=message, transient=True)
        spawn(folder, self.places)
        return folder.status()

    def _newest_first(self) -> Iterator[JobFolder]:
        found = ((path.stat().st_mtime_ns, path) for path in self.places.jobs.glob("*/job.json"))
        for _, path in sorted(found, reverse=True):
            yield JobFolder(path.parent)

    def _clean(self) -> None:
        """Forget old finished jobs: receipts and state know their results."""
        finished = [folder for folder in self._newest_first() if _is_over(folder)]
        for folder in finished[FINISHED_KEPT:]:
            shutil.rmtree(folder.path, ignore_errors=True)


def spawn(folder: JobFolder, places: Places) -> None:
    """Start the child of a job. It has detached itself and holds the lock when this returns.

    Raises TransientError when it could not start.
    """
    with folder.log.open("ab") as log:
        started = subprocess.run(
            [sys.executable, "-P", "-m", "loopwright.providers.local.worker", str(folder.path)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, **places.environ},
            cwd=places.project,
            start_new_session=True,
            check=False,
        )
    if started.returncode:
        raise TransientError(f"a worker process could not start: {folder.last_words()}")


def _brought_on(operation: Operation, folder: JobFolder, status: Status | None) -> Operation:
    if status is None:
        return replace(operation, poll_after=_SHORTEST_POLL)
    return replace(
        operation,
        status=status.status,
        external_id=status.external_id or operation.external_id,
        outputs=status.outputs,
        progress=status.progress,
        message=status.message,
        transient=status.transient,
        waiting=status.waiting,
        poll_after=_pause(folder.path),
    )


def _pause(path: Path) -> float:
    """Short jobs are looked at often, long ones seldom."""
    age = time.time() - (path / "job.json").stat().st_mtime
    return min(_LONGEST_POLL, max(_SHORTEST_POLL, age / 10))


def _is_over(folder: JobFolder) -> bool:
    status = folder.status()
    return status is not None and status.status.is_terminal and not folder.is_alive()


def _waited(folder: JobFolder, seconds: float) -> bool:
    """Whether its process has ended within this time."""
    until = time.monotonic() + seconds
    while folder.is_alive():
        if time.monotonic() >= until:
            return False
        time.sleep(0.02)
    return True
