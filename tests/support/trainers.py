"""A training child that takes no time: says what it came to, and leaves files like a real one."""

from __future__ import annotations

from functools import partial
from typing import Any

from loopwright.tuning.outcome import RESULT, Tuned
from loopwright.tuning.progress import Progress as Step
from loopwright.tuning.settings import RunSettings
from support.tiny_models import make_light_adapter, make_light_base


class Trainer:
    """Stands for `tuning.launching.run`: a model folder for a run, remembered in its run folder."""

    def __init__(self) -> None:
        self.runs: list[RunSettings] = []
        self.trained = 0
        self.fails: BaseException | None = None

    def __call__(self, settings: RunSettings, *, on_progress: Any, stop: Any) -> Tuned:
        self.runs.append(settings)
        folder = settings.run_folder
        folder.mkdir(parents=True, exist_ok=True)
        if (before := Tuned.read(folder / RESULT)) is not None:
            return before
        on_progress(Step(step=5, steps=10, loss=0.5, tokens_per_second=100.0, eta_seconds=9.0))
        if self.fails is not None:
            (folder / "checkpoint-5").mkdir(exist_ok=True)
            raise self.fails
        self.trained += 1
        make = partial(make_light_adapter, base=settings.base_name)
        if settings.method == "full":
            make = partial(make_light_base)
        made = make(settings.output_folder, content=f"weights {self.trained}".encode())
        checkpoints = {}
        for step in (5, 10):
            make(folder / f"checkpoint-{step}", content=f"at {step}".encode())
            (folder / f"checkpoint-{step}/optimizer.pt").write_bytes(b"pickle")
            checkpoints[str(step)] = str(folder / f"checkpoint-{step}")
        (folder / "loss.svg").write_text("<svg/>")
        tuned = Tuned(
            folder=made, kind="adapter" if settings.method == "lora" else "full",
            steps=10, epochs=2.0, tokens=2_000, seconds=20.0, tokens_per_second=100.0,
            loss=0.25, validation_loss=0.5, rows={"read": 9, "trained": 8, "validation": 1},
            trained_parameters=7, checkpoints=checkpoints,
        )  # fmt: skip
        tuned.write(folder / RESULT)
        return tuned
