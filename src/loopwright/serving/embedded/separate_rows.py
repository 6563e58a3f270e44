"""Rows that have a cache each: right for every causal model, at the price of a pass a sequence."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from transformers.cache_utils import DynamicCache


class SeparateRows:
    """Each sequence is brought on alone, by transformers' own steps of `generate`."""

    def __init__(self, model: Any, *, token_bytes: int) -> None:
        self._model, self._token_bytes = model, token_bytes
        self._rows: list[_Alone] = []

    @property
    def count(self) -> int:
        return len(self._rows)

    @property
    def held_bytes(self) -> int:
        return sum(row.length for row in self._rows) * self._token_bytes

    def bytes_for(self, count: int, width: int) -> int:
        return count * width * self._token_bytes

    def join(self, prompts: Sequence[Sequence[int]], *, width: int) -> Any:  # noqa: ARG002
        """See Rows."""
        newcomers = [_Alone(self._model, prompt) for prompt in prompts]
        logits = [newcomer.first() for newcomer in newcomers]
        self._rows += newcomers
        return torch.stack(logits)

    def step(self, tokens: Sequence[int]) -> Any:
        """See Rows."""
        stepped = [row.next(token) for row, token in zip(self._rows, tokens, strict=True)]
        return torch.stack(stepped)

    def leave(self, row: int) -> None:
        """See Rows."""
        last = self._rows.pop()
        if row < len(self._rows):
            self._rows[row] = last


class _Alone:
    """One sequence with its own cache."""

    def __init__(self, model: Any, prompt: Sequence[int]) -> None:
        self._model = model
        self.tokens = torch.tensor([list(prompt)], device=model.device)
        self._kept: dict[str, Any] = {
            "attention_mask": torch.ones_like(self.tokens),
            "use_cache": True,
        }
        if model._supports_default_dynamic_cache():
            self._kept[_cache_name(model)] = DynamicCache(config=model.config)

    @property
    def length(self) -> int:
        return int(self.tokens.shape[1])

    def first(self) -> Any:
        return self._forward(self.length, is_first=True)

    def next(self, token: int) -> Any:
        newest = torch.tensor([[token]], device=self.tokens.device)
        self.tokens = torch.cat([self.tokens, newest], dim=1)
        return self._forward(1, is_first=False)

    def _forward(self, length: int, *, is_first: bool) -> Any:
        inputs = self._model.prepare_inputs_for_generation(
            self.tokens, next_sequence_length=length, is_first_iteration=is_first, **self._kept
        )
        output = self._model(**inputs, return_dict=True)
        self._kept = self._model._update_model_kwargs_for_generation(output, self._kept)
        return output.logits[0, -1]


def _cache_name(model: Any) -> str:
    """How the model's forward calls its cache: recurrent ones have a name of their own."""
    parameters = inspect.signature(model.forward).parameters
    return "cache_params" if "cache_params" in parameters else "past_key_values"
