"""Choosing the next token of every sequence in a batch.

A sequence draws from a generator of its own, and its candidates keep the vocabulary's order, so
that the same seed gives the same text whatever else is in the batch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

import torch


@dataclass(frozen=True, slots=True)
class Sampling:
    """How one sequence's tokens are chosen; `temperature` 0 takes the likeliest."""

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    """Only so many likeliest tokens may be drawn; 0 is all of them."""
    presence: float = 0.0
    frequency: float = 0.0
    bias: Mapping[int, float] = field(default_factory=dict)
    logprobs: int | None = None
    """How many alternatives are told beside the chosen token's own; None tells nothing."""

    @property
    def is_greedy(self) -> bool:
        return self.temperature == 0.0

    @property
    def adjusts(self) -> bool:
        """Whether logits are changed before the choice."""
        return bool(self.presence or self.frequency or self.bias)

    @property
    def is_plain(self) -> bool:
        return self.is_greedy and not self.adjusts and self.logprobs is None


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """Natural logarithms of the model's own probabilities, before temperature and penalties."""

    token: int
    logprob: float
    likeliest: tuple[tuple[int, float], ...]


class Drawing:
    """One sequence's part in the choice: its sampling, its randomness and what it said so far."""

    __slots__ = ("counts", "random", "sampling")

    def __init__(self, sampling: Sampling, seed: int | str | None) -> None:
        self.sampling = sampling
        self.random = Random(seed)
        self.counts: dict[int, int] = {}

    def add(self, token: int) -> None:
        """The sequence took `token`."""
        if self.sampling.presence or self.sampling.frequency:
            self.counts[token] = self.counts.get(token, 0) + 1


def choose(logits: Any, rows: Sequence[Drawing]) -> list[int]:
    """The next token of each row of `logits` [rows, vocabulary]."""
    if all(row.sampling.is_greedy and not row.sampling.adjusts for row in rows):
        return list(logits.argmax(-1).tolist())
    logits = logits.float().cpu()
    if any(row.sampling.adjusts for row in rows):
        logits = logits.clone()
        for number, row in enumerate(rows):
            _adjust(logits[number], row)
    tokens = list(logits.argmax(-1).tolist())
    drawn = [number for number, row in enumerate(rows) if not row.sampling.is_greedy]
    if drawn:
        chosen = _draw(logits[drawn], [rows[number] for number in drawn])
        for number, token in zip(drawn, chosen, strict=True):
            tokens[number] = token
    return tokens


def logprobs(logits: Any, rows: Sequence[Drawing], tokens: Sequence[int]) -> list[Any]:
    """A TokenLogprob for the rows that asked for it, else None."""
    told: list[TokenLogprob | None] = [None] * len(rows)
    for number, (row, token) in enumerate(zip(rows, tokens, strict=True)):
        count = row.sampling.logprobs
        if count is None:
            continue
        logs = logits[number].float().log_softmax(-1)
        best = logs.topk(count) if count else None
        likeliest = (
            tuple(zip(best.indices.tolist(), best.values.tolist(), strict=True)) if best else ()
        )
        told[number] = TokenLogprob(token, float(logs[token]), likeliest)
    return told


def _adjust(logits: Any, row: Drawing) -> None:
    sampling = row.sampling
    if sampling.bias:
        logits[list(sampling.bias)] += torch.tensor(list(sampling.bias.values()))
    if row.counts:
        counts = torch.tensor(list(row.counts.values()), dtype=logits.dtype)
        logits[list(row.counts)] -= sampling.frequency * counts + sampling.presence


def _draw(logits: Any, rows: Sequence[Drawing]) -> list[int]:
    temperatures = torch.tensor([[row.sampling.temperature] for row in rows])
    logits = logits / temperatures
    if any(row.sampling.top_k or row.sampling.top_p < 1.0 for row in rows):
        logits = _truncated(logits, rows)
    edges = logits.double().softmax(-1).cumsum(-1)
    points = torch.tensor([[row.random.random()] for row in rows], dtype=edges.dtype)
    found = torch.searchsorted(edges, points * edges[:, -1:], right=True)
    return [int(token) for token in found.clamp_(max=logits.shape[-1] - 1).flatten().tolist()]


def _truncated(logits: Any, rows: Sequence[Drawing]) -> Any:
    """Logits with -inf outside of each row's `top_k` and `top_p`."""
    size = logits.shape[-1]
    ordered = logits.sort(-1, descending=True).values
    kept = torch.tensor([[min(row.sampling.top_k or size, size)] for row in rows])
    rank = torch.arange(size).unsqueeze(0)
    ordered = ordered.masked_fill(rank >= kept, -torch.inf)
    shares = torch.tensor([[row.sampling.top_p] for row in rows], dtype=torch.float64)
    before = ordered.double().softmax(-1)
    before = before.cumsum(-1) - before  # what likelier tokens have together
    ordered = ordered.masked_fill(before >= shares, torch.inf)
    least = ordered.masked_fill(ordered == -torch.inf, torch.inf).min(-1, keepdim=True).values
    return logits.masked_fill(logits < least, -torch.inf)
