"""One training run from rows to a model folder; goes on where an earlier attempt ended."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from transformers import set_seed

from loopwright.tuning.outcome import RESULT, Tuned
from loopwright.tuning.progress import METRICS, MetricsFile, Point, progress_of, read_points
from loopwright.tuning.settings import RunSettings
from loopwright.tuning.training import checkpoints
from loopwright.tuning.training.batches import Flat, Items, Padded, pack
from loopwright.tuning.training.checkpoints import Checkpoint
from loopwright.tuning.training.exporting import export
from loopwright.tuning.training.loading import (
    agree,
    device_of,
    load_model,
    load_tokenizer,
    longest_row,
    uses_bf16,
)
from loopwright.tuning.training.packing import check_packing
from loopwright.tuning.training.preparing import Prepared, prepare
from loopwright.tuning.training.reporting import Reporting
from loopwright.tuning.training.templates import Template
from loopwright.tuning.training.trainer import Trainer, build

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Place:
    """Which of how many processes this is."""

    world: int = 1
    rank: int = 0

    @property
    def is_first(self) -> bool:
        """Whether this one writes."""
        return self.rank == 0


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model with all that belongs to it."""

    model: Any
    tokenizer: Any
    template: Template
    stored: str
    device: str
    bf16: bool


def train(settings: RunSettings, place: Place, stop: threading.Event) -> bool:
    """Whether there is a result now; false when it was asked to stop. Raises TuningError."""
    metrics = MetricsFile(settings.run_folder / METRICS)
    resumed = _resumed(settings, place)
    before = metrics.rewind(resumed.step if resumed else 0) if place.is_first else None
    tell = _teller(metrics, before, place)
    tell("loading the base model")
    set_seed(settings.seed)
    loaded = load(settings, resumed)
    tell("reading rows")
    longest = longest_row(settings, loaded.model)
    prepared = prepare(settings, loaded.tokenizer, loaded.template, longest=longest)
    reporting = Reporting(
        metrics, settings.hyperparameters, resumed=before, stop=stop, writes=place.is_first
    )
    trainer = make_trainer(settings, loaded, prepared, reporting, place, longest)
    finished = resumed is not None and resumed.finished
    if finished:
        _stand_at(trainer, reporting.last)
    else:
        trainer.train(resume_from_checkpoint=str(resumed.folder) if resumed else None)
        if reporting.stopped:
            return False
    validation_loss = _validation_loss(trainer, prepared, None if finished else reporting.last)
    if place.is_first:
        tell("saving the model")
        _finish(settings, loaded, prepared, trainer, validation_loss)
    return True


def _stand_at(trainer: Trainer, last: Point) -> None:
    """A trainer that has nothing left to do, where the finished run ended."""
    trainer.state.global_step = last.step
    trainer.state.max_steps = last.steps
    trainer.state.epoch = last.epoch


def _resumed(settings: RunSettings, place: Place) -> Checkpoint | None:
    if place.is_first:
        return checkpoints.newest(settings.run_folder)
    return next(reversed(checkpoints.whole(settings.run_folder)), None)


def _teller(metrics: MetricsFile, before: Point | None, place: Place) -> Tell:
    """Says what goes on outside training steps, at the step that was reached."""

    def tell(phase: str) -> None:
        if place.is_first:
            last = next(reversed(metrics.points()), before or Point(0, 0))
            metrics.add(
                Point(last.step, last.steps, last.epoch, last.tokens, last.seconds, phase=phase)
            )

    return tell


def load(settings: RunSettings, resumed: Checkpoint | None) -> Loaded:
    """The base, or the weights of a run that had only to be kept. Raises TuningError."""
    device = device_of(settings)
    bf16 = uses_bf16(settings, device)
    tokenizer = load_tokenizer(settings)
    template = Template(tokenizer)
    finished = resumed.weights if resumed and resumed.finished else None
    model, stored = load_model(settings, bf16=bf16, weights=finished)
    agree(model, tokenizer, template.turn_end, settings.base_name)
    return Loaded(model, tokenizer, template, stored, device, bf16)


def make_trainer(
    settings: RunSettings,
    loaded: Loaded,
    prepared: Prepared,
    reporting: Reporting,
    place: Place,
    longest: int,
) -> Trainer:
    """The trainer of these samples. Raises TuningError when they cannot be packed as asked."""
    packed = settings.hyperparameters.packing == "packed"
    weighted = prepared.train.weighted or prepared.validation.weighted
    train = [[sample] for sample in prepared.train.samples]
    if packed:
        check_packing(loaded.model, prepared.train.samples)
        train = pack(prepared.train.samples, longest=longest, seed=settings.seed)
    held = [[sample] for sample in sorted(prepared.validation.samples, key=len)]
    pad = loaded.tokenizer.pad_token_id
    return build(
        settings,
        model=loaded.model,
        tokenizer=loaded.tokenizer,
        items=Items(
            train, held, Flat(weighted=weighted) if packed else Padded(pad, weighted=weighted)
        ),
        weighted=weighted,
        on_cpu=loaded.device == "cpu",
        bf16=loaded.bf16,
        world=place.world,
        reporting=reporting,
    )


def _validation_loss(trainer: Trainer, prepared: Prepared, last: Point | None) -> float | None:
    """Of the weights that are kept; looked at once more unless the last look was at them.

    `last`: the newest point, the same in every process; None when training was done before.
    """
    if not prepared.validation.samples:
        return None
    if trainer.args.load_best_model_at_end and trainer.state.best_metric is not None:
        return float(trainer.state.best_metric)
    if last and last.validation_loss is not None and last.step == trainer.state.global_step:
        return last.validation_loss
    return float(trainer.evaluate()["eval_loss"])


def _finish(
    settings: RunSettings,
    loaded: Loaded,
    prepared: Prepared,
    trainer: Trainer,
    validation_loss: float | None,
) -> None:
    """Write the model, then the result that declares the run done."""
    progress = progress_of(read_points(settings.run_folder / METRICS))
    model = trainer.accelerator.unwrap_model(trainer.model)
    trained = sum(each.numel() for each in model.parameters() if each.requires_grad)
    every = sum(each.numel() for each in model.parameters())
    export(
        model,
        loaded.tokenizer,
        settings.output_folder,
        stored=loaded.stored,
        base_name=settings.base_name,
    )
    Tuned(
        folder=settings.output_folder,
        kind="adapter" if settings.method == "lora" else "full",
        steps=progress.step,
        epochs=progress.epoch,
        tokens=progress.tokens,
        seconds=progress.seconds,
        tokens_per_second=round(progress.tokens / progress.seconds, 1) if progress.seconds else 0,
        loss=progress.loss,
        validation_loss=validation_loss,
        rows=prepared.counts,
        stopped_early=progress.step < progress.steps,
        device=_device_name(loaded.device),
        parameters=every,
        trained_parameters=trained,
        checkpoints={
            str(one.step): str(one.folder) for one in checkpoints.whole(settings.run_folder)
        },
    ).write(settings.run_folder / RESULT)


def _device_name(device: str) -> str:
    return str(torch.cuda.get_device_name()) if device == "cuda" else device
