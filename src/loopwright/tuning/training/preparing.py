"""The rows of a run: read, parted, turned to tokens, and counted."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

from loopwright.errors import TuningError
from loopwright.tuning.settings import RunSettings
from loopwright.tuning.training.rows import part, read_rows
from loopwright.tuning.training.templates import Template
from loopwright.tuning.training.tokens import Samples, tokenize

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Prepared:
    """Samples to train on and to validate with, and how many rows came to what."""

    train: Samples
    validation: Samples
    counts: dict[str, int]


def prepare(settings: RunSettings, tokenizer: Any, template: Template, *, longest: int) -> Prepared:
    """Read and tokenize. Raises TuningError when nothing is left to train on."""
    rows = read_rows(settings.train)
    if settings.validation:
        train, held = rows, read_rows(settings.validation)
    else:
        train, held = part(rows, settings.validation_percentage)
    drop = settings.hyperparameters.long_rows == "drop"
    samples = [
        tokenize(side, tokenizer, template, longest=longest, drop_long=drop)
        for side in (train, held)
    ]
    _say_left_out(samples)
    counts = {
        "read": len(train) + len(held),
        "trained": len(samples[0].samples),
        "validation": len(samples[1].samples),
        "tooLong": sum(len(side.too_long) for side in samples),
        "nothingToLearn": sum(len(side.nothing_to_learn) for side in samples),
    }
    if not samples[0].samples:
        raise TuningError(
            f"no row is left to train on: of {len(train)}, {len(samples[0].too_long)} are longer "
            f"than {longest} tokens and {len(samples[0].nothing_to_learn)} have nothing to learn"
            + _examples(samples[0]),
            hint="raise maxLength up to the base's context, or look at the rows named",
        )
    if settings.hyperparameters.early_stopping_patience and not samples[1].samples:
        raise TuningError(
            "earlyStoppingPatience needs validation rows, and none are left",
            hint="hold out a larger percentage, or name a validation dataset",
        )
    return Prepared(samples[0], samples[1], counts)


def _examples(samples: Samples) -> str:
    named = (samples.nothing_to_learn + samples.too_long)[:_SHOWN]
    return f" (as {'; '.join(named)})" if named else ""


def _say_left_out(sides: list[Samples]) -> None:
    """Name rows in the run's own log: where they are, never what they say."""
    for side in sides:
        for why, places in (
            ("longer than maxLength", side.too_long),
            ("nothing to learn", side.nothing_to_learn),
        ):
            for place in places:
                print(f"left out, {why}: {place}", file=sys.stderr)  # noqa: T201  # the run's own log
