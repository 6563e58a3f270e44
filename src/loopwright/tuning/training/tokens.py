"""Rows to tokens: ids, which of them are learnt, and with what weight."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from loopwright.errors import TuningError
from loopwright.tuning.training.rows import Row, UnusableRowError
from loopwright.tuning.training.templates import Span, Template

IGNORED = -100
"""The label of a token that is not learnt, as torch's losses have it."""
_AT_ONCE = 512
_SHOWN = 5

Ids = npt.NDArray[np.int64]
Weights = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Sample:
    """One row as the trainer takes it."""

    input_ids: Ids
    labels: Ids
    weights: Weights | None
    """By token; None when every learnt token counts in full."""

    def __len__(self) -> int:
        return len(self.input_ids)


@dataclass
class Samples:
    """Samples of some rows, and what was left out."""

    samples: list[Sample] = field(default_factory=list)
    too_long: list[str] = field(default_factory=list)
    """Places of rows above the longest length, with their tokens."""
    nothing_to_learn: list[str] = field(default_factory=list)
    """Places of rows without a token to learn, with the reason."""

    @property
    def weighted(self) -> bool:
        """Whether a token counts in part."""
        return any(sample.weights is not None for sample in self.samples)


def tokenize(
    rows: Sequence[Row], tokenizer: Any, template: Template, *, longest: int, drop_long: bool
) -> Samples:
    """Samples in the order of the rows.

    Raises TuningError when a row is above `longest` tokens and may not be left out.
    """
    done = Samples()
    for start in range(0, len(rows), _AT_ONCE):
        for row, sample, why in _some(rows[start : start + _AT_ONCE], tokenizer, template):
            if sample is None:
                done.nothing_to_learn.append(f"{row.place} ({why})")
            elif len(sample) > longest:
                done.too_long.append(f"{row.place} ({len(sample)} tokens)")
            else:
                done.samples.append(sample)
    if done.too_long and not drop_long:
        raise TuningError(
            f"{len(done.too_long)} rows are longer than maxLength {longest}: "
            f"{', '.join(done.too_long[:_SHOWN])}",
            hint="raise maxLength, or set longRows: drop to leave them out",
        )
    return done


def _some(
    rows: Sequence[Row], tokenizer: Any, template: Template
) -> Iterator[tuple[Row, Sample | None, str]]:
    """Tokenizers are several times faster on many texts at once."""
    rendered: list[tuple[Row, str, list[Span]]] = []
    for row in rows:
        try:
            text, spans = template.spans(row)
        except UnusableRowError as error:
            yield row, None, str(error)
            continue
        if any(span.weight and span.end > span.start for span in spans):
            rendered.append((row, text, spans))
        else:
            yield row, None, "no answer with a weight above 0"
    if not rendered:
        return
    encoded = tokenizer(
        [text for _, text, _ in rendered],
        add_special_tokens=False,
        return_offsets_mapping=True,
        return_attention_mask=False,
    )
    for at, (row, _, spans) in enumerate(rendered):
        ids, offsets = encoded["input_ids"][at], encoded["offset_mapping"][at]
        sample = _sample(ids, offsets, spans, template.turn_end.id)
        yield row, sample, "its answer has no token"


def _sample(
    ids: list[int], offsets: list[tuple[int, int]], spans: Sequence[Span], turn_end: int
) -> Sample | None:
    """Labels and weights from spans of characters; None when nothing is learnt."""
    input_ids = np.array(ids, dtype=np.int64)
    weights = np.zeros(len(ids), dtype=np.float32)
    starts, ends = np.array(offsets, dtype=np.int64).T
    for span in spans:
        inside = np.flatnonzero((ends > span.start) & (starts < span.end) & (ends > starts))
        if not len(inside):
            continue
        first, last = int(inside[0]), int(inside[-1])
        if ids[last] != turn_end and last + 1 < len(ids) and ids[last + 1] == turn_end:
            last += 1  # a template that leaves it out would teach a model that never stops
        weights[first : last + 1] = span.weight
    learnt = weights > 0
    learnt[:1] = False  # nothing comes before the first token to tell it from
    if not learnt.any():
        return None
    labels = np.where(learnt, input_ids, IGNORED)
    in_part = bool((weights[learnt] != 1).any())
    return Sample(input_ids, labels, weights if in_part else None)
