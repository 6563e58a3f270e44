"""Which rows share a batch, in what order, and how they become tensors.

Orders follow from seed and epoch alone, so that a run that goes on from a checkpoint sees the
batches that it would have seen.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import datasets
import numpy as np
import torch

from loopwright.tuning.training.tokens import IGNORED, Sample

_BATCHES_SORTED_TOGETHER = 64
"""More of them pad less and mix less: within so many batches rows are sorted by length."""

Item = Sequence[Sample]
"""What a forward pass takes as one: a sample, or several packed into one sequence."""
_COLUMN = "item"


class Collator(Protocol):
    """Items to tensors."""

    def __call__(self, items: Sequence[Item]) -> dict[str, Any]: ...


class Items:
    """The items of a run. TRL gets a dataset of their numbers; whoever collates looks them up."""

    def __init__(
        self, train: Sequence[Item], validation: Sequence[Item], collator: Collator
    ) -> None:
        self._all = [*train, *validation]
        self._collator = collator
        self.train = datasets.Dataset.from_dict({_COLUMN: range(len(train))})
        held = range(len(train), len(self._all))
        self.validation = datasets.Dataset.from_dict({_COLUMN: held}) if held else None
        self.lengths = [sum(map(len, item)) for item in train]
        """Tokens of each training item."""

    def collate(self, rows: Sequence[Mapping[str, int]]) -> dict[str, Any]:
        """A batch from rows of the datasets."""
        return self._collator([self._all[row[_COLUMN]] for row in rows])


class EpochSampler(torch.utils.data.Sampler):  # type: ignore[misc]  # mypy does not follow torch
    """All items once an epoch, shuffled; with `bucketed`, like lengths side by side."""

    def __init__(self, lengths: Sequence[int], *, batch: int, seed: int, bucketed: bool) -> None:
        self._lengths = np.array(lengths)
        self._batch = batch
        """Rows that a step of all processes takes at once."""
        self._seed = seed
        self._bucketed = bucketed
        self._epoch = 0

    def begin(self, epoch: int) -> None:
        """Before each pass. Not `set_epoch`, which loaders call by a count of their own passes."""
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self._lengths)

    def __iter__(self) -> Iterator[int]:
        random = np.random.default_rng([self._seed, self._epoch])
        order = random.permutation(len(self._lengths))
        return iter((self._bucket(order, random) if self._bucketed else order).tolist())

    def _bucket(self, order: Any, random: np.random.Generator) -> Any:
        """Sort within runs of batches, then shuffle whole batches; what is left over stays last."""
        whole = len(order) - len(order) % self._batch
        run = self._batch * _BATCHES_SORTED_TOGETHER
        runs = [order[start : min(start + run, whole)] for start in range(0, whole, run)]
        ordered = [part[np.argsort(self._lengths[part], kind="stable")] for part in runs]
        batches = np.concatenate([*ordered, order[:0]]).reshape(-1, self._batch)
        return np.concatenate([random.permutation(batches).reshape(-1), order[whole:]])


def pack(samples: Sequence[Sample], *, longest: int, seed: int) -> list[list[Sample]]:
    """Samples into sequences of at most `longest` tokens, best fit, none cut.

    The longest first, each into the fullest sequence that still takes it; then shuffled.
    """
    packed: list[list[Sample]] = []
    by_room: dict[int, list[list[Sample]]] = {}
    rooms: list[int] = []
    for sample in sorted(samples, key=len, reverse=True):
        at = bisect_left(rooms, len(sample))
        room = rooms[at] if at < len(rooms) else longest
        if at < len(rooms):
            sequence = by_room[room].pop()
            if not by_room[room]:
                del rooms[at]
        else:
            sequence = []
            packed.append(sequence)
        sequence.append(sample)
        left = room - len(sample)
        if not by_room.setdefault(left, []):
            insort(rooms, left)
        by_room[left].append(sequence)
    order = np.random.default_rng([seed, len(packed)]).permutation(len(packed))
    return [packed[at] for at in order]


class Padded:
    """Items to one tensor, short ones filled up on the right."""

    def __init__(self, pad: int, *, weighted: bool) -> None:
        self._pad = pad
        self._weighted = weighted

    def __call__(self, items: Sequence[Item]) -> dict[str, torch.Tensor]:
        samples = [sample for item in items for sample in item]
        shape = len(samples), max(map(len, samples))
        ids = np.full(shape, self._pad, dtype=np.int64)
        labels = np.full(shape, IGNORED, dtype=np.int64)
        mask = np.zeros(shape, dtype=np.int64)
        weights = np.zeros(shape, dtype=np.float32)
        for at, sample in enumerate(samples):
            length = len(sample)
            ids[at, :length] = sample.input_ids
            labels[at, :length] = sample.labels
            mask[at, :length] = 1
            if self._weighted:
                weights[at, :length] = 1.0 if sample.weights is None else sample.weights
        batch: dict[str, Any] = {"input_ids": ids, "attention_mask": mask, "labels": labels}
        if self._weighted:
            batch["loss_weights"] = weights
        return {name: torch.from_numpy(values) for name, values in batch.items()}


class Flat:
    """Items to one long row without padding; positions start anew with every sample.

    The boundaries are given in the three ways in which attention implementations ask for them.
    """

    def __init__(self, *, weighted: bool) -> None:
        self._weighted = weighted

    def __call__(self, items: Sequence[Item]) -> dict[str, Any]:
        samples = [sample for item in items for sample in item]
        lengths = [len(sample) for sample in samples]
        ids = np.concatenate([sample.input_ids for sample in samples])
        labels = np.concatenate([sample.labels for sample in samples])
        bounds = torch.tensor(np.cumsum([0, *lengths]), dtype=torch.int32)
        batch: dict[str, Any] = {
            "input_ids": torch.from_numpy(ids)[None],
            "labels": torch.from_numpy(labels)[None],
            "position_ids": torch.cat([torch.arange(length) for length in lengths])[None],
            "cu_seq_lens_q": bounds,
            "cu_seq_lens_k": bounds,
            "max_length_q": max(lengths),
            "max_length_k": max(lengths),
        }
        if self._weighted:
            ones = [np.ones(len(one), dtype=np.float32) for one in samples]
            given = [
                full if one.weights is None else one.weights
                for one, full in zip(samples, ones, strict=True)
            ]
            batch["loss_weights"] = torch.from_numpy(np.concatenate(given))[None]
        return batch
