"""From rows and tokens to steps: what a run will do, before anything is there to train on.

Arithmetic only; the training child counts the same way, so that a plan's steps are the run's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from loopwright.tuning.hyperparameters import Hyperparameters


@dataclass(frozen=True, slots=True)
class Counts:
    """What a run does. Tokens are those read in training, prompts included, padding not."""

    rows: int
    validation_rows: int
    steps: int
    steps_per_epoch: int
    epochs: float
    """Passes over the training rows; a share of one when `maxSteps` ends sooner."""
    tokens: int


def count(
    rows: int,
    tokens: int,
    hyperparameters: Hyperparameters,
    *,
    validation_percentage: float = 0.0,
    processes: int = 1,
    context: int | None = None,
) -> Counts:
    """Count a run over `rows` rows of `tokens` tokens in all, validation share included.

    `context`: tokens that the model takes at once; a packed sequence is never longer.
    An early stop may end it sooner. Rows left out as too long are not known here.
    """
    held_out = held_out_rows(rows, validation_percentage)
    left = rows - held_out
    trained_tokens = tokens * left / rows if rows else 0.0
    sequences = left
    if hyperparameters.packing == "packed" and left:
        longest = min(hyperparameters.max_length, context or hyperparameters.max_length)
        sequences = min(left, math.ceil(trained_tokens / longest))
    per_epoch = steps_per_epoch(sequences, hyperparameters, processes=processes)
    steps = total_steps(per_epoch, hyperparameters)
    epochs = steps / per_epoch if hyperparameters.max_steps else hyperparameters.epochs
    return Counts(left, held_out, steps, per_epoch, epochs, round(trained_tokens * epochs))


def held_out_rows(rows: int, percentage: float) -> int:
    """Rows held out for validation: the nearest number, at least one of two, never all."""
    if not percentage or rows < 2:
        return 0
    return min(rows - 1, max(1, round(rows * percentage / 100)))


def steps_per_epoch(sequences: int, hyperparameters: Hyperparameters, *, processes: int = 1) -> int:
    """Optimizer steps of one pass; the last batch may be smaller, and still is one."""
    batches = math.ceil(sequences / (hyperparameters.batch_size * processes))
    return max(1, math.ceil(batches / hyperparameters.gradient_accumulation))


def total_steps(per_epoch: int, hyperparameters: Hyperparameters) -> int:
    """Optimizer steps of the whole run."""
    return hyperparameters.max_steps or max(1, math.ceil(hyperparameters.epochs * per_epoch))
