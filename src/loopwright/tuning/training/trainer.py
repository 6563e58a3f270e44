"""TRL's SFTTrainer with our order of rows, our weights in the loss, and our checkpoints."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch
from transformers import EarlyStoppingCallback, TrainerCallback
from transformers.trainer_callback import PrinterCallback
from trl import SFTConfig, SFTTrainer

from loopwright.tuning.counting import steps_per_epoch, total_steps
from loopwright.tuning.settings import RunSettings
from loopwright.tuning.training import checkpoints
from loopwright.tuning.training.batches import EpochSampler, Items
from loopwright.tuning.training.reporting import Reporting

_POINTS = 100
_MOST_STEPS_BETWEEN_POINTS = 50


class Trainer(SFTTrainer):  # type: ignore[misc]  # trl is not followed by mypy
    """An SFTTrainer for samples that are ready.

    A token with the weight w adds w times its loss; sums are divided by the number of learnt
    tokens, so a weight means the same in every batch.
    """

    def __init__(
        self, *, sampler: EpochSampler, reporting: Reporting, kept: int, weighted: bool, **rest: Any
    ) -> None:
        self._own_sampler = sampler
        self._reporting = reporting
        self._kept = kept
        self._loss_weights: torch.Tensor | None = None
        super().__init__(**rest)
        self.remove_callback(PrinterCallback)
        self.add_callback(reporting)
        self.add_callback(_Epochs(sampler))
        if weighted:
            self.model.register_forward_hook(self._weigh)

    def _get_train_sampler(self, _train_dataset: Any = None) -> Any:
        return self._own_sampler

    def compute_loss(self, model: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """TRL's loss; weights go round the model to the hook."""
        self._loss_weights = inputs.pop("loss_weights", None)
        try:
            return super().compute_loss(model, inputs, *args, **kwargs)
        finally:
            self._loss_weights = None

    def _weigh(self, _module: Any, _inputs: Any, output: Any) -> Any:
        if self._loss_weights is not None:
            output.log_probs = output.log_probs * self._loss_weights[:, 1:]
        return output

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        # Past TRL's own, which writes a model card into every checkpoint.
        super(SFTTrainer, self)._save_checkpoint(model, trial)
        if self.args.should_save:
            run_folder = Path(self.args.output_dir)
            best = self._best
            checkpoints.seal(
                run_folder / f"checkpoint-{self.state.global_step}",
                finished=self._is_finished,
                best=best,
            )
            checkpoints.keep_last(run_folder, self._kept, best=best)

    @property
    def _best(self) -> str:
        if not self.args.load_best_model_at_end or not self.state.best_global_step:
            return ""
        return f"checkpoint-{self.state.best_global_step}"

    @property
    def _is_finished(self) -> bool:
        return bool(self.control.should_training_stop) and not self._reporting.stopped


class _Epochs(TrainerCallback):  # type: ignore[misc]  # transformers is not followed by mypy
    """Tells the sampler which pass begins, also when a run goes on in the middle of one."""

    def __init__(self, sampler: EpochSampler) -> None:
        self._sampler = sampler

    def on_epoch_begin(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
        self._sampler.begin(int((state.epoch or 0.0) + 1e-6))


def build(
    settings: RunSettings,
    *,
    model: Any,
    tokenizer: Any,
    items: Items,
    weighted: bool,
    on_cpu: bool,
    bf16: bool,
    world: int,
    reporting: Reporting,
) -> Trainer:
    """The trainer of a run, ready to start or to go on."""
    hyperparameters = settings.hyperparameters
    validates = items.validation is not None
    per_epoch = steps_per_epoch(len(items.train), hyperparameters, processes=world)
    patience = hyperparameters.early_stopping_patience
    with warnings.catch_warnings():
        # TRL switches it on by its old name, so that is the name to switch it off by.
        warnings.filterwarnings("ignore", ".*gradient_checkpointing.*", FutureWarning)
        arguments = _arguments(settings, per_epoch, validates=validates, on_cpu=on_cpu, bf16=bf16)
    return Trainer(
        sampler=EpochSampler(
            items.lengths,
            batch=hyperparameters.batch_size * world,
            seed=settings.seed,
            bucketed=hyperparameters.packing == "lengthBuckets",
        ),
        reporting=reporting,
        kept=hyperparameters.checkpoints_kept,
        weighted=weighted,
        model=model,
        args=arguments,
        data_collator=items.collate,
        train_dataset=items.train,
        eval_dataset=items.validation,
        processing_class=tokenizer,
        callbacks=[EarlyStoppingCallback(patience)] if patience else None,
    )


def _arguments(
    settings: RunSettings, per_epoch: int, *, validates: bool, on_cpu: bool, bf16: bool
) -> SFTConfig:
    """Every default of TRL that is wrong for somebody is said here."""
    hyperparameters = settings.hyperparameters
    steps = total_steps(per_epoch, hyperparameters)
    patience = hyperparameters.early_stopping_patience
    look_every = hyperparameters.eval_steps or per_epoch
    save_every = look_every if patience else hyperparameters.checkpoint_every(steps)
    return SFTConfig(
        output_dir=str(settings.run_folder),
        max_steps=steps,
        per_device_train_batch_size=hyperparameters.batch_size,
        per_device_eval_batch_size=hyperparameters.batch_size,
        gradient_accumulation_steps=hyperparameters.gradient_accumulation,
        learning_rate=hyperparameters.learning_rate,
        lr_scheduler_type=_SCHEDULES[hyperparameters.schedule],
        warmup_steps=hyperparameters.warmup(steps),
        weight_decay=hyperparameters.weight_decay,
        max_grad_norm=hyperparameters.max_grad_norm,
        optim=_OPTIMIZERS[hyperparameters.optimizer],
        seed=settings.seed,
        data_seed=settings.seed,
        bf16=bf16,
        use_cpu=on_cpu,
        dataloader_pin_memory=not on_cpu,
        gradient_checkpointing=hyperparameters.gradient_checkpointing,
        logging_steps=min(_MOST_STEPS_BETWEEN_POINTS, max(1, steps // _POINTS)),
        logging_nan_inf_filter=False,
        eval_strategy="steps" if validates else "no",
        eval_steps=look_every,
        save_strategy="steps",
        save_steps=save_every,
        load_best_model_at_end=bool(patience),
        metric_for_best_model="eval_loss" if patience else None,
        greater_is_better=False if patience else None,
        restore_callback_states_from_checkpoint=bool(patience),
        max_length=None,
        dataset_kwargs={"skip_prepare_dataset": True},
        remove_unused_columns=False,
        report_to="none",
        disable_tqdm=True,
    )


_SCHEDULES = {"linear": "linear", "cosine": "cosine", "constant": "constant_with_warmup"}

_OPTIMIZERS = {"adamw": "adamw_torch_fused", "adafactor": "adafactor"}
