"""The sequences that one forward pass brings on by a token each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol


class Rows(Protocol):
    """Sequences in numbered rows, each with what the model remembers of it."""

    @property
    def count(self) -> int: ...

    @property
    def held_bytes(self) -> int:
        """Memory of what is remembered now."""
        ...

    def bytes_for(self, count: int, width: int) -> int:
        """Memory that `count` sequences take of which the longest becomes `width` tokens."""
        ...

    def join(self, prompts: Sequence[Sequence[int]], *, width: int) -> Any:
        """Take in newcomers as the next rows; logits [newcomers, vocabulary] after each prompt.

        `width` is what the longest sequence of all may become.
        """
        ...

    def step(self, tokens: Sequence[int]) -> Any:
        """Give every row its next token; logits [rows, vocabulary] after it."""
        ...

    def leave(self, row: int) -> None:
        """Forget a row; the last row takes its number."""
        ...


def keep_last(parameters: Any) -> dict[str, int]:
    """The argument that saves the logits of all but the last token, where a model knows it."""
    return {"logits_to_keep": 1} if "logits_to_keep" in parameters else {}
