"""The process round one training run: its folder, its signals, and how it says that it failed."""

from __future__ import annotations

import os
import sys
import threading
import time

import torch
from transformers.utils import logging as transformers_logging

from loopwright.children import PARENT
from loopwright.errors import TuningError
from loopwright.locks import hold
from loopwright.tuning.memory import out_of_memory
from loopwright.tuning.outcome import FAILURE, STOPPED, write_failure
from loopwright.tuning.settings import RunSettings
from loopwright.tuning.training.running import Place, train
from loopwright.tuning.training.watching import end_with, stop_on_signal

_LOCK = "training.lock"
_LOCK_SECONDS = 60.0
_MEMORY_WORDS = ("out of memory", "can't allocate memory", "not enough memory")


def main(settings: RunSettings) -> int:
    """Train. The files in the run folder say what the exit status does not."""
    place = Place(
        world=int(os.environ.get("WORLD_SIZE", "1")), rank=int(os.environ.get("RANK", "0"))
    )
    stop = threading.Event()
    stop_on_signal(stop, at_once=place.world > 1, status=STOPPED)
    end_with(int(os.environ.get(PARENT, "0")))
    torch.set_num_threads(settings.threads)
    transformers_logging.disable_progress_bar()
    try:
        if place.is_first:
            _take_folder(settings)
        return 0 if train(settings, place, stop) else STOPPED
    except TuningError as error:
        return _failed(settings, error, place)
    except (MemoryError, RuntimeError) as error:
        if not _is_memory(error):
            raise
        return _failed(settings, out_of_memory(settings.hyperparameters), place)


def _take_folder(settings: RunSettings) -> None:
    """One trainer a folder: wait for one whose parent was killed a moment ago."""
    settings.run_folder.mkdir(parents=True, exist_ok=True)
    until = time.monotonic() + _LOCK_SECONDS
    while hold(settings.run_folder / _LOCK) is None:  # kept until this process ends
        if time.monotonic() > until:
            raise TuningError(
                f"another process is training in {settings.run_folder}",
                hint="wait for it, or end it",
            )


def _failed(settings: RunSettings, error: TuningError, place: Place) -> int:
    if place.is_first:
        write_failure(settings.run_folder / FAILURE, error)
    print(f"{error.message} ({error.hint})", file=sys.stderr)  # noqa: T201  # the run's own log
    return 1


def _is_memory(error: BaseException) -> bool:
    """Torch says it in words on CPU, by a class of its own on a GPU."""
    said = str(error).lower()
    return isinstance(error, MemoryError) or any(words in said for words in _MEMORY_WORDS)
