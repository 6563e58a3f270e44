"""Whole runs in child processes: killed, stopped, repeated, gone on with, over two processes."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from loopwright.errors import TuningError
from loopwright.hashing import file_digest
from loopwright.tuning.hyperparameters import Method, parse
from loopwright.tuning.launching import run
from loopwright.tuning.outcome import Tuned, TuningStopped
from loopwright.tuning.progress import Progress, read_points
from loopwright.tuning.settings import RunSettings
from support.tiny_models import TEXTS, make_base

pytestmark = pytest.mark.slow

Runner = Callable[..., RunSettings]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base with dropout in its adapters' way, and rows of mixed lengths."""
    folder = tmp_path_factory.mktemp("world")
    make_base(folder / "base", hidden=64, layers=2)
    chance = random.Random(0)
    with (folder / "train.jsonl").open("wb") as file:
        for number in range(240):
            words = " ".join(chance.choices(TEXTS[:4], k=chance.randint(1, 3)))
            talk = [
                {"role": "user", "content": f"{words} {number}"},
                {"role": "assistant", "content": TEXTS[4 + number % 2]},
            ]
            file.write(orjson.dumps({"messages": talk}) + b"\n")
    return folder


def _settings(
    world: Path, folder: Path, written: dict[str, Any], method: Method = "full", **rest: Any
) -> RunSettings:
    return RunSettings(
        base=world / "base",
        base_name="tiny",
        method=method,
        hyperparameters=parse({"learningRate": 0.003, "batchSize": 8, **written}, method),
        train=(world / "train.jsonl",),
        run_folder=folder / "run",
        output_folder=folder / "model",
        device="cpu",
        seed=11,
        **rest,
    )


def _run(settings: RunSettings) -> Tuned:
    return run(settings, on_progress=lambda _: None, stop=threading.Event())


def _digest(tuned: Tuned) -> dict[str, str]:
    return {path.name: file_digest(path) for path in sorted(tuned.folder.iterdir())}


class _Killer:
    """Kills the training child, as nobody asked for, whenever a run comes to one of the steps."""

    def __init__(self, settings: RunSettings, steps: list[int], number: signal.Signals) -> None:
        self._folder = settings.run_folder
        self._steps = steps
        self._number = number

    def __call__(self, progress: Progress) -> None:
        if self._steps and progress.step >= self._steps[0]:
            self._steps.pop(0)
            os.kill(_child_of(self._folder), self._number)


def _child_of(folder: Path) -> int:
    """The process that trains in a folder, by its command line."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if b"loopwright.tuning" in words and str(folder / "settings.json").encode() in words:
                return int(entry.name)
    raise AssertionError(f"nobody trains in {folder}")


@pytest.mark.parametrize("method", ["full", "lora"])
def test_a_run_that_is_killed_ends_in_the_same_bytes(
    world: Path, tmp_path: Path, method: Method
) -> None:
    written: dict[str, Any] = {"maxSteps": 70, "checkpointSteps": 9}
    if method == "lora":
        written["loraDropout"] = 0.1
    plain = _settings(world, tmp_path / "plain", written, method, validation_percentage=10)
    cut = _settings(world, tmp_path / "cut", written, method, validation_percentage=10)
    undisturbed = _run(plain)
    kills = [14, 47]
    number = signal.SIGKILL if method == "full" else signal.SIGTERM
    tuned = run(cut, on_progress=_Killer(cut, kills, number), stop=threading.Event())
    assert not kills
    assert _digest(tuned) == _digest(undisturbed)
    assert (tuned.steps, tuned.tokens) == (undisturbed.steps, undisturbed.tokens)
    assert tuned.validation_loss == undisturbed.validation_loss
    steps = [point.step for point in read_points(cut.run_folder / "metrics.jsonl") if point.loss]
    assert steps == sorted(set(steps)) == list(range(1, 71))
    assert _run(cut) == tuned  # a finished run is not repeated
    # Killed between the last step and the result: the weights are kept, and nothing is trained.
    (cut.run_folder / "result.json").unlink()
    shutil.rmtree(tuned.folder)
    again = _run(cut)
    assert _digest(again) == _digest(undisturbed)
    assert (again.steps, again.tokens, again.validation_loss) == (
        tuned.steps,
        tuned.tokens,
        tuned.validation_loss,
    )


def test_early_stopping_keeps_the_best_weights_through_a_kill(world: Path, tmp_path: Path) -> None:
    written = {
        "maxSteps": 200,
        "learningRate": 0.05,
        "evalSteps": 5,
        "earlyStoppingPatience": 3,
        "checkpointsKept": 1,
    }
    plain = _settings(world, tmp_path / "plain", written, validation_percentage=10)
    cut = _settings(world, tmp_path / "cut", written, validation_percentage=10)
    undisturbed = _run(plain)
    tuned = run(cut, on_progress=_Killer(cut, [12], signal.SIGKILL), stop=threading.Event())
    assert undisturbed.stopped_early
    looks = [point.validation_loss for point in read_points(plain.run_folder / "metrics.jsonl")]
    assert undisturbed.validation_loss == min(look for look in looks if look is not None)
    assert _digest(tuned) == _digest(undisturbed)
    assert tuned.steps == undisturbed.steps


def test_a_stopped_run_goes_on_where_it_was(world: Path, tmp_path: Path) -> None:
    settings = _settings(world, tmp_path, {"maxSteps": 60, "checkpointSteps": 1000})
    stop = threading.Event()

    def stop_at(progress: Progress) -> None:
        if progress.step >= 20:
            stop.set()

    with pytest.raises(TuningStopped):
        run(settings, on_progress=stop_at, stop=stop)
    (left,) = settings.run_folder.glob("checkpoint-*")
    assert int(left.name.partition("-")[2]) >= 20
    tuned = _run(settings)
    assert tuned.steps == 60
    whole = _run(_settings(world, tmp_path / "whole", {"maxSteps": 60, "checkpointSteps": 1000}))
    assert _digest(tuned) == _digest(whole)


def test_a_half_written_checkpoint_is_passed_over(world: Path, tmp_path: Path) -> None:
    settings = _settings(world, tmp_path, {"maxSteps": 30, "checkpointSteps": 10})
    stop = threading.Event()
    with pytest.raises(TuningStopped):
        run(settings, on_progress=lambda now: now.step >= 12 and stop.set(), stop=stop)
    half = settings.run_folder / "checkpoint-25"
    half.mkdir()
    (half / "model.safetensors").write_bytes(b"torn")
    assert _run(settings).steps == 30
    assert not half.exists()


def test_the_child_ends_with_whoever_started_it(world: Path, tmp_path: Path) -> None:
    settings = _settings(world, tmp_path, {"maxSteps": 100_000, "checkpointSteps": 50})
    settings.run_folder.mkdir(parents=True)
    settings.write(tmp_path / "told.json")
    code = (
        "import sys, threading; from pathlib import Path\n"
        "from loopwright.tuning.launching import run\n"
        "from loopwright.tuning.settings import RunSettings\n"
        "run(RunSettings.read(Path(sys.argv[1])), on_progress=lambda p: None,"
        " stop=threading.Event())"
    )
    worker = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "told.json")])
    metrics = settings.run_folder / "metrics.jsonl"
    while not any(point.step > 0 for point in read_points(metrics)):
        assert worker.poll() is None
        time.sleep(0.1)
    child = _child_of(settings.run_folder)
    worker.kill()
    worker.wait()
    while Path(f"/proc/{child}").exists():
        time.sleep(0.1)


def test_an_adapter_goes_on_as_an_adapter_or_is_merged_first(world: Path, tmp_path: Path) -> None:
    first = _run(_settings(world, tmp_path / "first", {"maxSteps": 20}, "lora"))
    assert first.kind == "adapter"
    assert (
        orjson.loads((first.folder / "adapter_config.json").read_bytes())["base_model_name_or_path"]
        == "tiny"
    )
    further = _settings(world, tmp_path / "on", {"maxSteps": 3}, "lora", adapter=first.folder)
    on = _run(further)
    assert on.kind == "adapter"
    assert on.loss is not None
    assert first.loss is not None
    start = read_points(further.run_folder / "metrics.jsonl")
    began = next(point.loss for point in start if point.loss is not None)
    assert began < 1.5 * first.loss  # it did not begin from nothing
    merged = _run(_settings(world, tmp_path / "full", {"maxSteps": 3}, adapter=first.folder))
    assert merged.kind == "full"
    assert (merged.folder / "model.safetensors").is_file()
    # Full tuning of the merged model goes on from itself too.
    again = _settings(world, tmp_path / "again", {"maxSteps": 3})
    assert _run(replace(again, base=merged.folder)).kind == "full"


def test_two_processes_train_one_model(world: Path, tmp_path: Path) -> None:
    several = _settings(
        world,
        tmp_path / "two",
        {"maxSteps": 30, "checkpointSteps": 7},
        processes=2,
        engine="accelerate",
    )
    tuned = run(several, on_progress=_Killer(several, [16], signal.SIGKILL), stop=threading.Event())
    assert tuned.steps == 30
    alone = _run(_settings(world, tmp_path / "one", {"maxSteps": 30, "batchSize": 16}))
    assert tuned.tokens == alone.tokens  # the same rows at each step, half a process
    assert tuned.loss == pytest.approx(alone.loss, rel=0.02)


def test_what_cannot_be_tuned_says_why_and_what_to_do(world: Path, tmp_path: Path) -> None:
    cases: list[tuple[RunSettings, str, str]] = [
        (
            _settings(world, tmp_path / "a", {"loraTargets": "wq"}, "lora"),
            "loraTargets wq",
            "q_proj",
        ),
        (
            replace(_settings(world, tmp_path / "b", {}), base=tmp_path),
            "cannot load the tokenizer of the base model tiny",
            "config.json",
        ),
        (_settings(world, tmp_path / "c", {"maxLength": 8}), "no row is left", "maxLength"),
        (replace(_settings(world, tmp_path / "d", {}), device="cuda"), "cuda is not there", "cpu"),
    ]
    for settings, message, hint in cases:
        with pytest.raises(TuningError) as caught:
            _run(settings)
        assert message in caught.value.message
        assert hint in str(caught.value.hint)
