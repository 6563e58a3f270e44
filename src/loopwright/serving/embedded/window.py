"""Keys and values of many sequences side by side, in buffers that are written in place.

Every sequence ends at the same column; a shorter one begins later (padding on the left), which
is the layout that attention masks, sliding windows and position tables of all standard causal
models are made for. Columns left of the longest sequence are not looked at.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers.cache_utils import CacheLayerMixin


class Window:
    """Which part of the buffers is in use: rows [0, rows), columns [start, end)."""

    __slots__ = ("columns", "end", "height", "rows", "start")

    def __init__(self) -> None:
        self.rows = self.start = self.end = 0
        self.height = self.columns = 0
        """Rows and columns that the buffers have."""

    @property
    def width(self) -> int:
        return self.end - self.start


class WindowLayer(CacheLayerMixin):  # type: ignore[misc]  # mypy does not follow transformers
    """One layer's buffers [height, heads, columns, size]; all layers share a window."""

    is_sliding = False  # of a sliding layer too all is kept: its mask says what may be seen
    is_croppable = False

    def __init__(self, window: Window) -> None:
        super().__init__()
        self.window = window

    def lazy_initialization(self, key_states: Any, value_states: Any) -> None:
        """Buffers for sequences whose states look like these."""
        self.keys = self._empty(key_states)
        self.values = self._empty(value_states)
        self.is_initialized = True

    def update(
        self, key_states: Any, value_states: Any, *_args: Any, **_kwargs: Any
    ) -> tuple[Any, Any]:
        """Write one column at the end of every sequence; what attention looks at."""
        window = self.window
        rows, end = window.rows, window.end
        self.keys[:rows, :, end : end + 1] = key_states
        self.values[:rows, :, end : end + 1] = value_states
        seen = slice(window.start, end + 1)
        return self.keys[:rows, :, seen], self.values[:rows, :, seen]

    def place(self, rows: Any, keys: Any, values: Any) -> None:
        """Write whole sequences that end at the window's end into these rows."""
        if not self.is_initialized:
            self.lazy_initialization(keys, values)
        end = self.window.end
        columns = slice(end - keys.shape[-2], end)
        self.keys[rows, :, columns] = keys
        self.values[rows, :, columns] = values

    def resized(self, end: int, *, height: int, columns: int) -> None:
        """Move what is in use into buffers of another size, so that it ends at `end`."""
        if self.is_initialized:
            self.keys = self._moved(self.keys, end, height, columns)
            self.values = self._moved(self.values, end, height, columns)

    def move(self, source: int, target: int) -> None:
        """Copy row `source` over row `target`."""
        used = slice(self.window.start, self.window.end)
        self.keys[target, :, used] = self.keys[source, :, used]
        self.values[target, :, used] = self.values[source, :, used]

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self.window.width + query_length, 0

    def get_seq_length(self) -> int:
        return self.window.width

    def get_max_length(self) -> int:
        return -1

    def _empty(self, like: Any) -> Any:
        _, heads, _, size = like.shape
        # Zeros, not whatever was there: what is masked is still multiplied, and 0 * nan is nan.
        shape = (self.window.height, heads, self.window.columns, size)
        return torch.zeros(shape, dtype=like.dtype, device=like.device)

    def _moved(self, old: Any, end: int, height: int, columns: int) -> Any:
        window = self.window
        shape = (height, old.shape[1], columns, old.shape[3])
        new = torch.zeros(shape, dtype=old.dtype, device=old.device)
        new[: window.rows, :, end - window.width : end] = old[
            : window.rows, :, window.start : window.end
        ]
        return new
