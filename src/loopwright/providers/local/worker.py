"""The child's side of a job: `python -m loopwright.providers.local.worker JOBFOLDER`.

Detaches, does the task, and writes the verdict last. Without one it was killed, and is started
again by the next look. Captured text never reaches its log.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType
from typing import Any

from loopwright.errors import LoopwrightError
from loopwright.lake.datasets.version import NotEnoughRowsError
from loopwright.providers.base import OperationStatus, Progress
from loopwright.providers.local.job_folder import Job, JobFolder, Status, Worker, started_at
from loopwright.providers.local.places import Places
from loopwright.providers.local.refusing import may_pass
from loopwright.providers.local.tasks import Outcome, run_of

_REPORT_EVERY = 0.25
_LOG_EVERY = 10.0
_LOOK_EVERY = 1.0
_LAST_SECONDS = 10.0
log = logging.getLogger("loopwright.worker")


class Stopped(BaseException):
    """Asked to stop: unwinds the task, whatever it catches."""


@dataclass(slots=True)
class Work:
    """A task's view of its job."""

    folder: JobFolder
    job: Job
    places: Places
    attempt: int
    _reported: float = field(default=0.0)
    _logged: float = field(default=0.0)

    @property
    def arguments(self) -> Mapping[str, Any]:
        return self.job.arguments

    def told(self, outputs: Mapping[str, Any]) -> dict[str, Any]:
        """The outputs with what decided them, so that a lost state knows them again."""
        return {**outputs, "fingerprint": self.job.fingerprint}

    def claim(self, settle: Callable[[], dict[str, Any]], *, anew: bool = False) -> dict[str, Any]:
        """What the first attempt settled, on disk before it is acted upon; `anew` settles again."""
        known = None if anew else self.folder.claim()
        if known is None:
            known = settle()
            self.folder.write_claim(known)
        return known

    def report(self, progress: Progress) -> None:
        """Say how far it is, now and then in the log too."""
        self.show(progress)
        now = time.monotonic()
        if now - self._logged >= _LOG_EVERY:
            self._logged = now
            log.info("%s", _words(progress))

    def show(self, progress: Progress) -> None:
        """Say how far it is to who looks; not more often than anybody does."""
        now = time.monotonic()
        if now - self._reported >= _REPORT_EVERY:
            self._reported = now
            status = Status(OperationStatus.RUNNING, self.job.external_id, progress=progress)
            self.folder.write_status(status)


def main(arguments: list[str]) -> int:
    """Take the lock, detach, work. Ends at once when another process has the job."""
    folder = JobFolder(Path(arguments[1]))
    if folder.hold() is None:
        return 0
    if os.fork():
        os._exit(0)  # the one who started us waits for this: the lock is held
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    signal.signal(signal.SIGTERM, _stop)
    threading.Thread(target=_watch, args=(folder,), daemon=True).start()
    work(folder)
    return 0


def work(folder: JobFolder) -> None:
    """Do what the job says unless it is done, and write the verdict."""
    job, status, before = folder.job(), folder.status(), folder.worker()
    if job is None or (status and status.status.is_terminal):
        return
    attempt = 1 + (before.attempt if before else 0)
    ours = Worker(os.getpid(), started_at(os.getpid()), attempt)
    if before:
        fruitless, reached = before.fruitless_after(status), before.reached_after(status)
        ours = replace(ours, fruitless=fruitless, reached=reached)
    folder.write_worker(ours)
    log.info("%s: attempt %d", job.external_id, attempt)
    places = Places.from_json(job.places, os.environ)
    verdict = _verdict(Work(folder, job, places, attempt))
    if verdict is not None:
        log.info("%s %s", verdict.status.value, verdict.message)
        folder.write_status(verdict)


def _verdict(work: Work) -> Status | None:
    """How it ended; None when it was stopped by somebody who wants it to go on later."""
    try:
        if work.folder.is_cancelled:
            raise Stopped
        return _succeeded(run_of(work.job.task)(work))
    except Stopped:
        log.info("stopped")
        if not work.folder.is_cancelled:
            return None
        return Status(OperationStatus.CANCELLED, work.job.external_id, message="cancelled")
    except NotEnoughRowsError as error:
        short = f"{error.have:,} of {error.want:,} rows"
        return replace(_failed(work, error.message, transient=True), waiting=short)
    except LoopwrightError as error:
        said = f"{error.message}; {error.hint}" if error.hint else error.message
        return _failed(work, said, transient=may_pass(error))
    except Exception as error:  # whatever it is, somebody waits for a verdict
        log.exception("the task broke")
        said = f"{type(error).__name__}: {error}"
        return _failed(work, said, transient=may_pass(error))


def _words(progress: Progress) -> str:
    if not progress.unit:
        return progress.note
    total = f" of {progress.total:,.0f}" if progress.total else ""
    note = f", {progress.note}" if progress.note else ""
    return f"{progress.done:,.0f}{total} {progress.unit}{note}"


def _succeeded(outcome: Outcome) -> Status:
    return Status(
        OperationStatus.SUCCEEDED,
        outcome.external_id,
        outputs=outcome.outputs,
        message=outcome.message,
    )


def _failed(work: Work, message: str, *, transient: bool) -> Status:
    return Status(
        OperationStatus.FAILED, work.job.external_id, message=message, transient=transient
    )


def _stop(number: int, frame: FrameType | None) -> None:
    del frame
    signal.signal(number, signal.SIG_IGN)
    raise Stopped


def _watch(folder: JobFolder) -> None:
    """Stop when the job folder is removed: nobody is waiting any more."""
    while (folder.path / "job.json").exists():
        time.sleep(_LOOK_EVERY)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_LAST_SECONDS)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
