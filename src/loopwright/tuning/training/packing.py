"""Whether rows that share a sequence stay unseen by each other, tried on the model itself."""

from __future__ import annotations

from typing import Any

import torch

from loopwright.errors import TuningError
from loopwright.tuning.training.batches import Flat
from loopwright.tuning.training.tokens import Sample

_TOLERANCE = 2e-2
"""Of the largest logit: far above rounding, far below what one foreign token changes."""


def check_packing(model: Any, samples: list[Sample]) -> None:
    """Raise TuningError when the answers to a row change with what is packed before it."""
    probes = [_head(sample) for sample in samples[:2]]
    if len(probes) < 2:
        return
    with torch.no_grad():
        was_training = model.training
        model.eval()
        alone = _logits(model, [probes[1]])
        beside = _logits(model, probes)[len(probes[0]) :]
        model.train(was_training)
    scale = float(alone.abs().max())
    if float((alone - beside).abs().max()) > _TOLERANCE * max(scale, 1e-6):
        raise TuningError(
            "packing: packed cannot be used: this model's attention lets packed rows see each "
            "other",
            hint="use packing: lengthBuckets, or install flash-attn on a GPU that has it",
        )


def _head(sample: Sample, tokens: int = 16) -> Sample:
    return Sample(sample.input_ids[:tokens], sample.labels[:tokens], None)


def _logits(model: Any, samples: list[Sample]) -> Any:
    batch = Flat(weighted=False)([samples])
    batch.pop("labels")
    placed = {
        name: value.to(model.device) if isinstance(value, torch.Tensor) else value
        for name, value in batch.items()
    }
    return model(**placed, use_cache=False).logits[0].float().cpu()
