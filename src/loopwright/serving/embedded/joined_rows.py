"""Rows that share one cache: newcomers join and others leave between two steps."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from transformers.cache_utils import (
    Cache,
    DynamicCache,
    DynamicLayer,
    DynamicSlidingWindowLayer,
)

from loopwright.serving.embedded.rows import keep_last
from loopwright.serving.embedded.window import Window, WindowLayer

_STEP = 64  # columns are added in steps of so many
_WASTE = 1.5  # newcomers are taken in together while padding costs at most this factor


def can_join(model: Any) -> bool:
    """Whether this model's sequences may stand side by side, padded on the left.

    True of caches of keys and values with full or sliding attention; recurrent states, chunks
    and layers that share another's cache are brought on one by one.
    """
    if not model._supports_default_dynamic_cache() or model.config.is_encoder_decoder:
        return False
    kinds = getattr(model.config.get_text_config(decoder=True), "layer_types", None) or ()
    layers = DynamicCache(config=model.config).layers
    takes = inspect.signature(model.forward).parameters
    return (
        {"attention_mask", "past_key_values"} <= takes.keys()
        and all(type(layer) in (DynamicLayer, DynamicSlidingWindowLayer) for layer in layers)
        and "chunked_attention" not in kinds
    )


class JoinedRows:
    """Rows of a model for which `can_join` holds."""

    def __init__(self, model: Any, *, token_bytes: int, most: int) -> None:
        """`token_bytes` is the memory of one token's keys and values, `most` the rows at once."""
        self._model, self._token_bytes, self._most = model, token_bytes, most
        self._window = Window()
        layers = len(DynamicCache(config=model.config).layers)
        self._layers = [WindowLayer(self._window) for _ in range(layers)]
        self._cache = Cache(layers=self._layers)
        parameters = inspect.signature(model.forward).parameters
        self._with_positions = "position_ids" in parameters
        self._keep_last = keep_last(parameters)
        self._device = model.device
        self._lengths: list[int] = []
        self._promised = 0
        self._mask = self._positions = torch.zeros(0)

    @property
    def count(self) -> int:
        return self._window.rows

    @property
    def held_bytes(self) -> int:
        return self._window.height * self._window.columns * self._token_bytes

    def bytes_for(self, count: int, width: int) -> int:
        return self._height(count) * _rounded(width) * self._token_bytes

    def join(self, prompts: Sequence[Sequence[int]], *, width: int) -> Any:
        """See Rows."""
        self._make_room(len(prompts), max(map(len, prompts)), width)
        window, first = self._window, self._window.rows
        logits: list[Any] = [None] * len(prompts)
        for group in _groups(prompts):
            found, cache = self._prefill([prompts[number] for number in group])
            rows = torch.tensor([first + number for number in group], device=self._device)
            for layer, filled in zip(self._layers, cache.layers, strict=True):
                layer.place(rows, filled.keys, filled.values)
            for number, row in zip(group, found, strict=True):
                logits[number] = row
        for prompt in prompts:
            self._lengths.append(len(prompt))
            self._describe(window.rows, len(prompt))
            window.rows += 1
        window.start = window.end - max(self._lengths)
        return torch.stack(logits)

    def step(self, tokens: Sequence[int]) -> Any:
        """See Rows."""
        window = self._window
        if window.end == window.columns:
            self._resize(window.width, rows=window.rows, width=self._promised)
        rows = window.rows
        given = {"position_ids": self._positions[:rows]} if self._with_positions else {}
        output = self._model(
            input_ids=torch.tensor(tokens, device=self._device).unsqueeze_(1),
            attention_mask=self._mask[:rows, window.start : window.end + 1],
            past_key_values=self._cache,
            use_cache=True,
            **given,
        )
        window.end += 1
        self._positions[:rows] += 1
        self._lengths = [length + 1 for length in self._lengths]
        return output.logits[:, -1]

    def leave(self, row: int) -> None:
        """See Rows."""
        window, last = self._window, self._window.rows - 1
        if row != last:
            for layer in self._layers:
                layer.move(last, row)
            self._lengths[row] = self._lengths[last]
            self._describe(row, self._lengths[last])
        self._lengths.pop()
        window.rows = last
        window.start = window.end - max(self._lengths, default=0)

    def _prefill(self, prompts: Sequence[Sequence[int]]) -> tuple[Any, Any]:
        """Logits after each prompt and a cache of them, padded to the longest."""
        longest = max(map(len, prompts))
        tokens = torch.zeros((len(prompts), longest), dtype=torch.long)
        mask = torch.zeros((len(prompts), longest), dtype=torch.long)
        for row, prompt in enumerate(prompts):
            tokens[row, longest - len(prompt) :] = torch.tensor(prompt)
            mask[row, longest - len(prompt) :] = 1
        positions = (mask.cumsum(-1) - 1).clamp_(min=0)
        given = {"position_ids": positions.to(self._device)} if self._with_positions else {}
        cache = DynamicCache()  # keeps all of a sliding layer too
        output = self._model(
            input_ids=tokens.to(self._device),
            attention_mask=mask.to(self._device),
            past_key_values=cache,
            use_cache=True,
            **given,
            **self._keep_last,
        )
        return output.logits[:, -1], cache

    def _make_room(self, newcomers: int, longest: int, width: int) -> None:
        window = self._window
        if not window.rows:
            window.start = window.end = longest
        rows = window.rows + newcomers
        if rows > window.height or longest > window.end or window.end + 1 > window.columns:
            self._resize(max(window.width, longest), rows=rows, width=width)
        self._promised = width

    def _resize(self, end: int, *, rows: int, width: int) -> None:
        """Buffers for `rows` that hold `width` tokens, what is in use ending at `end`."""
        window, height = self._window, self._height(rows)
        columns = max(_rounded(width), _rounded(end + 1))
        for layer in self._layers:
            layer.resized(end, height=height, columns=columns)
        window.start, window.end = end - window.width, end
        window.height, window.columns = height, columns
        self._mask = torch.zeros((height, columns), dtype=torch.long, device=self._device)
        self._positions = torch.zeros((height, 1), dtype=torch.long, device=self._device)
        for row, length in enumerate(self._lengths):
            self._describe(row, length)

    def _describe(self, row: int, length: int) -> None:
        """Where row's tokens are, those to come included, and which position is its next."""
        begin = self._window.end - length
        self._mask[row, :begin] = 0
        self._mask[row, begin:] = 1
        self._positions[row] = length

    def _height(self, count: int) -> int:
        """Rows that are set up for `count`: twice as many each time, the most at last."""
        return min(1 << (count - 1).bit_length(), max(self._most, count))


def _rounded(width: int) -> int:
    return -(-width // _STEP) * _STEP


def _groups(prompts: Sequence[Sequence[int]]) -> Iterator[list[int]]:
    """Numbers of prompts that are taken in together: like lengths, so that padding stays small."""
    group: list[int] = []
    total = 0
    for number in sorted(range(len(prompts)), key=lambda number: len(prompts[number])):
        length = len(prompts[number])
        if group and length * (len(group) + 1) > _WASTE * (total + length):
            yield group
            group, total = [], 0
        group.append(number)
        total += length
    if group:
        yield group
