"""How a training child's end becomes an error: stand-ins for children, since only ends matter."""

from __future__ import annotations

import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from loopwright.errors import TuningError
from loopwright.tuning import launching
from loopwright.tuning.hyperparameters import parse
from loopwright.tuning.memory import Kills, out_of_memory
from loopwright.tuning.outcome import FAILURE, RESULT, Tuned, TuningCut, TuningStopped
from loopwright.tuning.progress import METRICS, MetricsFile, Point, Progress
from loopwright.tuning.settings import RunSettings


@pytest.fixture
def settings(tmp_path: Path) -> RunSettings:
    return RunSettings(
        base=tmp_path,
        base_name="none",
        method="full",
        hyperparameters=parse({}, "full"),
        train=(),
        run_folder=tmp_path / "run",
        output_folder=tmp_path / "model",
    )


class _Children:
    """Children that run a line of Python instead of training; counts them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
        self.started = 0
        self._code = code
        monkeypatch.setattr(launching, "_command", self._command)

    def _command(self, settings: RunSettings, path: Path) -> list[str]:
        self.started += 1
        folder = str(settings.run_folder)
        return [sys.executable, "-c", f"import os, signal, time\nfolder = {folder!r}\n{self._code}"]


def _run(settings: RunSettings, stop: threading.Event | None = None) -> Tuned:
    return launching.run(settings, on_progress=lambda _: None, stop=stop or threading.Event())


def test_a_child_that_is_killed_again_and_again_is_given_up(
    settings: RunSettings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    children = _Children(monkeypatch, "os.kill(os.getpid(), signal.SIGKILL)")
    monkeypatch.setattr(Kills, "now", lambda: Kills(0))
    with pytest.raises(TuningCut, match="SIGKILL"):
        _run(settings)
    assert children.started == 3
    told = [record.getMessage() for record in caplog.records]
    assert (
        told
        == [
            "the training process ended without a word at step 0 (SIGKILL); "
            "started again, from the last checkpoint if there is one"
        ]
        * 2
    )


def test_a_child_that_gets_on_is_started_as_often_as_it_takes(
    settings: RunSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    tuned = Tuned(settings.output_folder, "full", 8, 1.0, 80, 1.0, 80.0, 0.5, None)
    settings.output_folder.mkdir()
    settings.run_folder.mkdir()
    tuned.write(settings.run_folder / "later.json")
    children = _Children(
        monkeypatch,
        f"import json\npath = os.path.join(folder, '{METRICS}')\n"
        "count = len(open(path).readlines()) if os.path.exists(path) else 0\n"
        "open(path, 'a').write(json.dumps({'step': count + 1, 'steps': 5}) + '\\n')\n"
        "if count < 4: os.kill(os.getpid(), signal.SIGTERM)\n"
        f"os.rename(os.path.join(folder, 'later.json'), os.path.join(folder, '{RESULT}'))",
    )
    assert _run(settings) == tuned
    assert children.started == 5
    assert _run(settings) == tuned
    assert children.started == 5


def test_the_kernels_own_kill_is_called_memory(
    settings: RunSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    children = _Children(monkeypatch, "os.kill(os.getpid(), signal.SIGKILL)")
    counts = iter([Kills(4), Kills(5)])
    monkeypatch.setattr(Kills, "now", lambda: next(counts))
    with pytest.raises(TuningError, match="ran out of memory") as caught:
        _run(settings)
    assert children.started == 1
    assert "batchSize: 4 with gradientAccumulation: 2" in str(caught.value.hint)


def test_what_is_turned_down_for_memory_is_what_is_turned_up() -> None:
    careful = parse({"batchSize": 1, "gradientCheckpointing": True, "maxLength": 512}, "lora")
    assert out_of_memory(careful).hint == "try a maxLength below 512; or a smaller base"


def test_a_childs_own_words_are_the_error(
    settings: RunSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    _Children(
        monkeypatch,
        f"open(os.path.join(folder, '{FAILURE}'), 'w').write("
        '\'{"error": "the base is empty", "hint": "fill it"}\'); raise SystemExit(1)',
    )
    with pytest.raises(TuningError, match="the base is empty") as caught:
        _run(settings)
    assert caught.value.hint == "fill it"
    _Children(monkeypatch, "raise KeyError('lost')")
    with pytest.raises(TuningError, match=r"exit status 1.*KeyError: 'lost'") as caught:
        _run(settings)
    assert launching.LOG in str(caught.value.hint)


def test_a_stop_ends_the_child_and_what_it_left_behind(
    settings: RunSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    _Children(monkeypatch, "time.sleep(600)")
    stop = threading.Event()
    stop.set()
    with pytest.raises(TuningStopped):
        _run(settings, stop)


def test_whoever_raises_while_told_of_progress_leaves_no_child(
    settings: RunSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.run_folder.mkdir()
    MetricsFile(settings.run_folder / METRICS).add(Point(1, 2, loss=1.0))
    _Children(monkeypatch, "open(folder + '/pid', 'w').write(str(os.getpid())); time.sleep(600)")

    def told(progress: Progress) -> None:
        if (settings.run_folder / "pid").exists():
            raise KeyboardInterrupt
        MetricsFile(settings.run_folder / METRICS).add(Point(progress.step + 1, 10**6))

    with pytest.raises(KeyboardInterrupt):
        launching.run(settings, on_progress=told, stop=threading.Event())
    child = int((settings.run_folder / "pid").read_text() or 0)
    assert not child or not Path(f"/proc/{child}").exists()
    assert (settings.run_folder / launching.CURVE).is_file()


def test_a_missing_extra_is_named_with_the_way_to_it(
    settings: RunSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "loopwright.children.find_spec", lambda name: None if name == "trl" else object()
    )
    with pytest.raises(TuningError, match="training needs torch, transformers, peft and trl") as it:
        _run(settings)
    assert it.value.hint == "pip install 'loopwright[train]'"


def test_one_process_sees_one_gpu(settings: RunSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,6")
    seen = {
        device: launching._environment(replace(settings, device=device))["CUDA_VISIBLE_DEVICES"]
        for device in ("auto", "cuda", "cuda:1", "cpu")
    }
    assert seen == {"auto": "4", "cuda": "4", "cuda:1": "6", "cpu": "4,6"}
