"""One text in the making: what was asked, what came so far, and why it ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from loopwright.serving.embedded.refusals import RefusalError
from loopwright.serving.embedded.sampling import Drawing, Sampling, TokenLogprob
from loopwright.serving.embedded.texts import Decode, TextStream

Finish = Literal["stop", "length"]


@dataclass(frozen=True, slots=True)
class Order:
    """What one text is to be."""

    label: str
    prompt: Sequence[int]
    limit: int
    """Most tokens of the answer."""
    sampling: Sampling
    seed: int | str | None
    stops: tuple[str, ...] = ()
    ends: frozenset[int] = frozenset()
    """Tokens that end a text."""
    streams: bool = False
    """Whether text is wanted as it comes."""


@dataclass(frozen=True, slots=True)
class Piece:
    """News of one text: more of it, its end, or what went wrong."""

    text: str = ""
    logprobs: tuple[TokenLogprob, ...] = ()
    finish: Finish | None = None
    error: RefusalError | None = None

    @property
    def is_last(self) -> bool:
        return self.finish is not None or self.error is not None


class Generation:
    """Written by the worker's thread alone, but for `is_cancelled`."""

    __slots__ = (
        "_logprobs", "_pieces", "_text", "drawing", "is_cancelled", "order", "output", "sink",
        "spent",
    )  # fmt: skip

    def __init__(self, order: Order, decode: Decode, sink: Callable[[Piece], None]) -> None:
        """`sink` is told of every piece, in the thread of whoever asked."""
        self.order, self.sink = order, sink
        self.drawing = Drawing(order.sampling, order.seed)
        self.output: list[int] = []
        self.spent = 0
        """Tokens that were generated, the one that ended the text too."""
        self.is_cancelled = False
        self._text = TextStream(decode, order.stops)
        self._pieces: list[str] = []
        self._logprobs: list[TokenLogprob] = []

    @property
    def length(self) -> int:
        """Tokens that the model has to remember."""
        return len(self.order.prompt) + len(self.output)

    @property
    def width(self) -> int:
        """What `length` may become."""
        return len(self.order.prompt) + self.order.limit

    def take(self, token: int, logprob: Any = None) -> Piece | None:
        """The model's next token; news, if there is any to tell."""
        order = self.order
        self.spent += 1
        if token in order.ends:
            return self._ended("stop")
        self.output.append(token)
        self.drawing.add(token)
        if logprob is not None:
            self._logprobs.append(logprob)
        if order.streams or order.stops:
            fresh = self._text.push(self.output)
            if self._text.is_stopped:
                self._pieces.append(fresh)
                return self._told("stop")
            self._pieces.append(fresh)
        if len(self.output) >= order.limit:
            return self._ended("length")
        return self._told(None) if order.streams and self._pieces[-1] else None

    def _ended(self, finish: Finish) -> Piece:
        self._pieces.append(self._text.end(self.output))
        return self._told("stop" if self._text.is_stopped else finish)

    def _told(self, finish: Finish | None) -> Piece:
        piece = Piece("".join(self._pieces), tuple(self._logprobs), finish)
        self._pieces.clear()
        self._logprobs.clear()
        return piece
