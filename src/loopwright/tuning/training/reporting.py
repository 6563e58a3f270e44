"""What the trainer tells while it runs: points in the metrics file, and whether it is to stop."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from threading import Event
from typing import Any

from transformers import TrainerCallback

from loopwright.clock import SystemClock, to_text
from loopwright.errors import TuningError
from loopwright.tuning.hyperparameters import Hyperparameters
from loopwright.tuning.progress import MetricsFile, Point


class Reporting(TrainerCallback):  # type: ignore[misc]  # transformers is not followed by mypy
    """Writes a point whenever the trainer logs; does nothing else at a step but look at `stop`."""

    def __init__(
        self,
        metrics: MetricsFile,
        hyperparameters: Hyperparameters,
        *,
        resumed: Point | None,
        stop: Event,
        writes: bool,
    ) -> None:
        self._metrics = metrics
        self._hyperparameters = hyperparameters
        self._before = resumed or Point(0, 0)
        self._stop = stop
        self._writes = writes
        self._started = time.monotonic()
        self._logged = (self._started, 0)
        self.last = self._before
        """The newest point."""
        self.stopped = False
        """Whether training ended because it was asked to."""

    def on_train_begin(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
        """Only now does time count: loading is not training."""
        self._started = time.monotonic()
        self._logged = (self._started, 0)
        before = self._before
        self._say(
            Point(state.global_step, state.max_steps, before.epoch, before.tokens, before.seconds)
        )

    def on_step_end(self, _args: Any, _state: Any, control: Any, **_: Any) -> None:
        """When asked to stop: write a checkpoint and go."""
        if self._stop.is_set() and not control.should_training_stop:
            self.stopped = True
            control.should_save = True
            control.should_training_stop = True

    def on_log(
        self, _args: Any, state: Any, _control: Any, logs: Mapping[str, Any] | None = None, **_: Any
    ) -> None:
        """A point of training, of a look at the validation rows, or of the end."""
        logs = logs or {}
        if not {"loss", "eval_loss", "train_runtime"} & logs.keys():
            return
        self._check(logs, state.global_step)
        self.last = self._point(logs, state)
        self._say(self.last)

    def _point(self, logs: Mapping[str, Any], state: Any) -> Point:
        now = time.monotonic()
        own = int(logs.get("num_tokens", logs.get("eval_num_tokens", self._logged[1])))
        speed = None
        if "loss" in logs:
            before, tokens = self._logged
            speed = (own - tokens) / (now - before) if now > before else None
        # After a look at the validation rows the next speed starts anew: looking is not training.
        self._logged = (now, own)
        return Point(
            step=state.global_step,
            steps=state.max_steps,
            epoch=round(float(state.epoch or 0.0), 4),
            tokens=self._before.tokens + own,
            seconds=round(self._before.seconds + now - self._started, 3),
            at=to_text(SystemClock().now()),
            loss=logs.get("loss"),
            learning_rate=logs.get("learning_rate"),
            grad_norm=_plain(logs.get("grad_norm")),
            tokens_per_second=None if speed is None else round(speed, 1),
            validation_loss=logs.get("eval_loss"),
        )

    def _check(self, logs: Mapping[str, Any], step: int) -> None:
        for name in ("loss", "eval_loss"):
            if name in logs and not math.isfinite(logs[name]):
                raise TuningError(
                    f"training diverged: the loss is {logs[name]} at step {step} "
                    f"(learningRate {self._hyperparameters.learning_rate:g})",
                    hint="lower learningRate, or raise warmupSteps; with bf16 also try "
                    "precision: fp32",
                )

    def _say(self, point: Point) -> None:
        if self._writes:
            self._metrics.add(point)


def _plain(value: Any) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)
