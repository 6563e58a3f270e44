"""Running a training child: start it, follow its metrics, end it, say what came of it.

Meant for a worker process that may itself be killed: the run folder remembers everything, and a
child whose parent is gone ends by itself.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from signal import SIGKILL, SIGTERM, Signals

from loopwright import children
from loopwright.errors import TuningError
from loopwright.tuning.curve import write_curve
from loopwright.tuning.memory import Kills, out_of_memory
from loopwright.tuning.outcome import (
    FAILURE,
    RESULT,
    STOPPED,
    Tuned,
    TuningCut,
    TuningStopped,
    read_failure,
)
from loopwright.tuning.progress import METRICS, Progress, Tail
from loopwright.tuning.settings import RunSettings

log = logging.getLogger("loopwright.tuning")
LOG = "training.log"
CURVE = "loss.svg"
_SETTINGS = "settings.json"
_LOOK_SECONDS = 0.2
GRACE_SECONDS = 120.0
"""Within which a child that is asked to stop ends its step and writes a checkpoint."""
_CUTS_IN_A_ROW = 3
_LOG_TAIL = 2_000


def check_extra() -> None:
    """Raise TuningError when this environment cannot train."""
    if told := children.lacks("training", children.TO_TRAIN):
        raise TuningError(told, hint=children.INSTALL)


def run(
    settings: RunSettings,
    *,
    on_progress: Callable[[Progress], None],
    stop: threading.Event,
) -> Tuned:
    """Train until there is a model; go on where an earlier attempt in the run folder ended.

    A child that is killed is started again, from its last checkpoint, as long as that brings it
    on. Raises TuningStopped when `stop` was set, TuningCut when children end without a word again
    and again, else TuningError with the child's own words.
    """
    settings.run_folder.mkdir(parents=True, exist_ok=True)
    result = settings.run_folder / RESULT
    cuts, reached = 0, -1
    while (tuned := Tuned.read(result)) is None:
        check_extra()
        try:
            _attempt(settings, on_progress, stop)
        except TuningCut as cut:
            furthest = Tail(settings.run_folder / METRICS).read().step
            cuts = cuts + 1 if furthest <= reached else 1
            reached = max(reached, furthest)
            if cuts >= _CUTS_IN_A_ROW or stop.is_set():
                raise
            log.warning("%s; started again, from the last checkpoint if there is one", cut.message)
        finally:
            with suppress(OSError):
                write_curve(settings.run_folder / METRICS, settings.run_folder / CURVE)
    return tuned


def _attempt(
    settings: RunSettings, on_progress: Callable[[Progress], None], stop: threading.Event
) -> None:
    """One child from start to end. Raises unless it ended well."""
    folder = settings.run_folder
    (folder / FAILURE).unlink(missing_ok=True)
    settings.write(folder / _SETTINGS)
    kills = Kills.now()
    with (folder / LOG).open("ab") as log:
        child = subprocess.Popen(
            _command(settings, folder / _SETTINGS),
            env=_environment(settings),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        _follow(child, Tail(folder / METRICS), on_progress, stop)
    finally:
        _end(child)
    _judge(child.returncode, settings, kills, asked=stop.is_set())


def _follow(
    child: subprocess.Popen[bytes],
    tail: Tail,
    on_progress: Callable[[Progress], None],
    stop: threading.Event,
) -> None:
    told = None
    while child.poll() is None:
        if stop.wait(_LOOK_SECONDS):
            return
        progress = tail.read()
        if progress != told:
            on_progress(progress)
            told = progress
    if (progress := tail.read()) != told:
        on_progress(progress)


def _end(child: subprocess.Popen[bytes]) -> None:
    """Ask the child to write a checkpoint and go; make it go when it does not."""
    if child.poll() is None:
        child.send_signal(SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            child.wait(GRACE_SECONDS)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, SIGKILL)  # the group: a launcher may have left workers
    child.wait()


def _judge(code: int, settings: RunSettings, kills: Kills, *, asked: bool) -> None:
    """Turn the end of a child into nothing (a result is there) or an error."""
    folder = settings.run_folder
    if Tuned.read(folder / RESULT) is not None:
        return
    if (failure := read_failure(folder / FAILURE)) is not None:
        raise failure
    step = Tail(folder / METRICS).read().step
    if asked:
        raise TuningStopped(f"training was stopped at step {step}", hint="it can be resumed")
    if (code == -SIGKILL or settings.engine != "local") and kills.more_than_then():
        raise out_of_memory(settings.hyperparameters, step=step)
    if code < 0 or code == STOPPED or settings.engine != "local":
        raise TuningCut(
            f"the training process ended without a word at step {step} ({_ending(code)})",
            hint="it goes on from its last checkpoint when it is started again; when this comes "
            f"back, memory may be short; its words: {folder / LOG}",
        )
    raise TuningError(
        f"the training process failed ({_ending(code)}): {_last_words(folder / LOG)}",
        hint=f"all it said: {folder / LOG}",
    )


def _ending(code: int) -> str:
    if code >= 0:
        return f"exit status {code}"
    with suppress(ValueError):
        return Signals(-code).name
    return f"signal {-code}"


def _last_words(log: Path) -> str:
    """The last line that the child said: of a traceback, the error itself."""
    with suppress(OSError):
        lines = log.read_bytes()[-_LOG_TAIL:].decode(errors="replace").strip().splitlines()
        return lines[-1].strip() if lines else "it said nothing"
    return "it said nothing"


def _command(settings: RunSettings, path: Path) -> list[str]:
    if settings.engine == "local":
        return [sys.executable, "-P", "-m", "loopwright.tuning", str(path)]
    # On CPU too: its name for "several processes here"; the trainer then takes gloo.
    several = ["--multi_gpu"] if settings.processes > 1 else []
    return [
        *(sys.executable, "-P", "-m", "accelerate.commands.launch"),
        *("--num_processes", str(settings.processes), "--num_machines", "1"),
        *("--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0"),
        *several,
        *settings.accelerate_arguments,
        *("-m", "loopwright.tuning", str(path)),
    ]


def _environment(settings: RunSettings) -> dict[str, str]:
    environment = children.environment(os.environ, threads=settings.threads)
    if settings.processes == 1 and settings.device != "cpu":
        # With several GPUs in sight of one process the trainer would spread itself over them.
        seen = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
        wanted = settings.device.partition(":")[2] or "0"
        at = int(wanted) if wanted.isdigit() else 0
        environment["CUDA_VISIBLE_DEVICES"] = seen[at] if at < len(seen) and seen[at] else wanted
    return environment
