"""The texts of one model (a base or one of its adapters) that are made together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from loopwright.serving.embedded.generation import Generation, Piece
from loopwright.serving.embedded.rows import Rows
from loopwright.serving.embedded.sampling import choose, logprobs


class Lane:
    """Rows and the generations in them, in the same order."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self.generations: list[Generation] = []
        self.made = 0
        """Tokens generated so far."""

    @property
    def held_bytes(self) -> int:
        return self._rows.held_bytes

    def bytes_with(self, newcomers: Sequence[Generation]) -> int:
        """Memory that the caches take when these are taken in and all become as long as may be."""
        count = len(self.generations) + len(newcomers)
        return max(self._rows.bytes_for(count, self._width(newcomers)), self.held_bytes)

    def join(self, newcomers: Sequence[Generation]) -> Iterator[tuple[Generation, Piece]]:
        """Take in newcomers and give each its first token."""
        width = self._width(newcomers)
        logits = self._rows.join([new.order.prompt for new in newcomers], width=width)
        self.generations += newcomers
        yield from self._taken(newcomers, logits)
        self._drop_ended()

    def step(self) -> Iterator[tuple[Generation, Piece]]:
        """One more token for everybody; news of those that have some."""
        self.drop_cancelled()
        if self.generations:
            logits = self._rows.step([each.output[-1] for each in self.generations])
            yield from self._taken(self.generations, logits)
            self._drop_ended()

    def drop_cancelled(self) -> None:
        """Make room where nobody waits for the text any more."""
        if any(each.is_cancelled for each in self.generations):
            self._drop_ended()

    def _taken(
        self, generations: Sequence[Generation], logits: Any
    ) -> Iterator[tuple[Generation, Piece]]:
        drawings = [each.drawing for each in generations]
        tokens = choose(logits, drawings)
        self.made += len(tokens)
        wanted = any(drawing.sampling.logprobs is not None for drawing in drawings)
        told = logprobs(logits, drawings, tokens) if wanted else [None] * len(tokens)
        for each, token, logprob in zip(generations, tokens, told, strict=True):
            piece = each.take(token, logprob)
            if piece is not None:
                if piece.is_last:
                    each.is_cancelled = True  # its row is free from now on
                yield each, piece

    def _drop_ended(self) -> None:
        row = 0
        while row < len(self.generations):
            if not self.generations[row].is_cancelled:
                row += 1
                continue
            self._rows.leave(row)
            last = self.generations.pop()
            if row < len(self.generations):
                self.generations[row] = last

    def _width(self, newcomers: Sequence[Generation]) -> int:
        """What the longest becomes: all end together, so the longest may grow by the most."""
        everybody = [*self.generations, *newcomers]
        longest = max(each.length for each in everybody)
        return longest + max(each.width - each.length for each in everybody)
