"""Jobs are processes that outlive their parent, are never two, and are found by their key.

The tasks here are tiny modules on the child's import path; no data plane is loaded.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from loopwright.providers.base import Operation, OperationStatus
from loopwright.providers.local import jobs as jobs_module
from loopwright.providers.local.job_folder import Job, JobFolder, Worker, started_at
from loopwright.providers.local.jobs import FINISHED_KEPT, MOST_ATTEMPTS, Jobs, job_id
from loopwright.providers.local.places import Places

TASK = """
import os, signal, time
from pathlib import Path
from loopwright.providers.base import Progress
from loopwright.providers.local.tasks import Outcome

def run(work):
    here = Path(work.arguments["here"])
    with (here / "runs").open("a") as runs:
        runs.write(f"{work.attempt}\\n")
    if work.arguments.get("deaf"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        (here / "deaf").touch()
    if work.attempt <= work.arguments.get("moves", 0):
        work.report(Progress(work.attempt, 100, "steps"))
    if work.attempt <= work.arguments.get("dies", 0):
        print("about to die", flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    work.report(Progress(1, 2, "steps"))
    while not (here / "go").exists():
        time.sleep(0.01)
    return Outcome("made", {"attempt": work.attempt}, "done")
"""


@pytest.fixture
def places(tmp_path: Path) -> Places:
    (tmp_path / "path").mkdir()
    (tmp_path / "path/tiny_task.py").write_text(TASK)
    state = tmp_path / "state"
    environ = {"PYTHONPATH": str(tmp_path / "path")}
    return Places(tmp_path, state, state / "datasets", state / "models", environ=environ)


@pytest.fixture
def jobs(places: Places) -> Iterator[Jobs]:
    yield Jobs(places)
    (places.project / "go").touch()
    for folder in places.jobs.glob("*"):
        JobFolder(folder).send(signal.SIGKILL)


def _job(places: Places, **arguments: object) -> Job:
    return Job(
        "tiny_task",
        "to-be-made",
        "lineage/Dataset/x",
        {"here": str(places.project), **arguments},
        places.to_json(),
    )


def _folder(places: Places, key: str = "key") -> JobFolder:
    return JobFolder(places.jobs / job_id(key))


def _until(condition: Callable[[], object]) -> None:
    while not condition():
        time.sleep(0.01)


def _ended(jobs: Jobs, operation: Operation) -> Operation:
    while not operation.status.is_terminal:
        time.sleep(0.01)
        operation = jobs.poll(operation)
    return operation


def _runs(places: Places) -> list[str]:
    path = places.project / "runs"
    return path.read_text().split() if path.exists() else []


def test_a_job_outlives_the_process_that_began_it(jobs: Jobs, places: Places) -> None:
    begin = f"""
from loopwright.providers.local.job_folder import Job
from loopwright.providers.local.jobs import Jobs
from loopwright.providers.local.places import Places
places = Places.from_json({places.to_json()!r}, {dict(places.environ)!r})
here = {{"here": {str(places.project)!r}}}
Jobs(places).begin("key", Job("tiny_task", "to-be-made", "owner", here, places.to_json()))
"""
    subprocess.run([sys.executable, "-c", begin], check=True)
    operation = Operation("key", OperationStatus.RUNNING, "to-be-made")
    _until(lambda: jobs.poll(operation).progress)
    running = jobs.poll(operation)
    assert (running.status, running.progress and running.progress.unit) == ("running", "steps")
    (places.project / "go").touch()
    ended = _ended(jobs, operation)
    assert (ended.status, ended.external_id, ended.message) == ("succeeded", "made", "done")
    assert jobs.begin("key", _job(places)).outputs == {"attempt": 1}
    assert _runs(places) == ["1"]


def test_many_that_begin_at_once_start_one_process(jobs: Jobs, places: Places) -> None:
    threads = [threading.Thread(target=jobs.begin, args=("key", _job(places))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (places.project / "go").touch()
    _ended(jobs, jobs.begin("key", _job(places)))
    assert _runs(places) == ["1"]


def test_a_job_that_was_killed_is_started_again(jobs: Jobs, places: Places) -> None:
    (places.project / "go").touch()
    ended = _ended(jobs, jobs.begin("key", _job(places, dies=2)))
    assert (ended.status, ended.outputs) == ("succeeded", {"attempt": 3})


def test_a_job_that_always_dies_fails_with_its_last_words(jobs: Jobs, places: Places) -> None:
    ended = _ended(jobs, jobs.begin("key", _job(places, dies=100)))
    assert (ended.status, ended.transient) == ("failed", True)
    assert ended.message == f"its process died {MOST_ATTEMPTS} times; last words: about to die"
    assert jobs.poll(ended) == ended
    assert len(_runs(places)) == MOST_ATTEMPTS


def test_a_job_that_gets_further_is_started_again_however_often_it_dies(
    jobs: Jobs, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs_module, "MOST_ATTEMPTS", 2)
    (places.project / "go").touch()
    ended = _ended(jobs, jobs.begin("key", _job(places, dies=3, moves=3)))
    assert (ended.status, ended.outputs) == ("succeeded", {"attempt": 4})
    ended = _ended(jobs, jobs.begin("other", _job(places, dies=100, moves=1)))
    assert (ended.status, ended.message) == (
        "failed",
        "its process died 3 times, the last 2 without getting further; last words: about to die",
    )


def test_last_words_are_the_last_line_without_when_they_were_said(places: Places) -> None:
    folder = _folder(places)
    folder.path.mkdir(parents=True)
    assert folder.last_words() == "none"
    folder.log.write_text("one\n2026-11-22 23:12:01,123 INFO step 3 of 9: loss 0.5\n\n")
    assert folder.last_words() == "step 3 of 9: loss 0.5"


def test_a_stop_from_outside_is_no_end_but_a_cancel_is(jobs: Jobs, places: Places) -> None:
    operation = jobs.begin("key", _job(places))
    _until(lambda: _runs(places))
    _folder(places).send(signal.SIGTERM)  # as a machine does when it shuts down
    _until(lambda: not _folder(places).is_alive())
    assert jobs.poll(operation).status is OperationStatus.RUNNING
    _until(lambda: len(_runs(places)) == 2)
    stopped = jobs.cancel(operation)
    assert (stopped.status, jobs.poll(operation).status) == ("cancelled", "cancelled")
    assert not _folder(places).is_alive()


def test_what_does_not_stop_within_its_own_grace_is_killed(jobs: Jobs, places: Places) -> None:
    operation = jobs.begin("key", replace(_job(places, deaf=True), grace=0.2))
    _until((places.project / "deaf").exists)
    assert jobs.cancel(operation).status is OperationStatus.CANCELLED
    assert not _folder(places).is_alive()


def test_a_process_ends_when_its_job_is_removed(jobs: Jobs, places: Places) -> None:
    jobs.begin("key", _job(places))
    _until(lambda: _folder(places).worker())
    worker = _folder(places).worker()
    assert worker
    _until(lambda: _runs(places))
    (_folder(places).path / "job.json").unlink()
    _until(lambda: started_at(worker.pid) != worker.started)


def test_a_stranger_with_the_number_of_a_dead_worker_is_left_alone(
    jobs: Jobs, places: Places
) -> None:
    folder = _folder(places)
    folder.write_job(_job(places))
    with subprocess.Popen(["sleep", "60"]) as stranger:
        folder.write_worker(Worker(stranger.pid, "long ago", 1))
        lock = folder.hold()  # somebody works on it who has not said yet who it is
        assert lock is not None
        folder.send(signal.SIGKILL)
        os.close(lock)
        assert stranger.poll() is None
        stranger.kill()


def test_a_task_that_breaks_is_told_and_not_tried_again(jobs: Jobs, places: Places) -> None:
    ended = _ended(jobs, jobs.begin("key", _job(places, dies="a lot")))
    assert (ended.status, ended.transient) == ("failed", False)
    assert "TypeError" in ended.message
    assert any("Traceback" in line for line in _folder(places).log_lines())


def test_a_torn_status_is_no_verdict(jobs: Jobs, places: Places) -> None:
    folder = _folder(places)
    folder.write_job(_job(places))
    (folder.path / "status.json").write_bytes(b"")
    (places.project / "go").touch()
    assert _ended(jobs, jobs.begin("key", _job(places))).status is OperationStatus.SUCCEEDED


def test_old_finished_jobs_are_cleared_and_running_ones_are_kept(
    jobs: Jobs, places: Places
) -> None:
    jobs.begin("running", _job(places))
    for number in range(FINISHED_KEPT + 5):
        folder = _folder(places, f"old-{number}")
        folder.write_job(_job(places))
        done = {"status": "succeeded", "progress": None, "external_id": f"old-{number}"}
        (folder.path / "status.json").write_text(json.dumps(done))
        os.utime(folder.path / "job.json", (number, number))
    jobs.begin("new", _job(places))
    left = {path.name for path in places.jobs.iterdir()}
    kept = {job_id(f"old-{number}") for number in range(5, FINISHED_KEPT + 5)}
    assert left == kept | {job_id("running"), job_id("new")}
    found = jobs.find("old-10")
    assert found is not None
    assert found.path.name == job_id("old-10")
