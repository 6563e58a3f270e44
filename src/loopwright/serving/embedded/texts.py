"""Text of tokens as they come: never half a character, never a part of a stop string."""

from __future__ import annotations

from collections.abc import Callable, Sequence

Decode = Callable[[Sequence[int]], str]

_HALF = "\ufffd"  # what a decoder makes of bytes that are no whole character (yet)
_WINDOW = 24
_CONTEXT = 6  # tokens decoded again, since the first of a text may lose its leading space


class TextStream:
    """Decodes a growing list of tokens piece by piece; the pieces together are the whole text."""

    __slots__ = ("_decode", "_first", "_given", "_held", "_stops", "is_stopped")

    def __init__(self, decode: Decode, stops: Sequence[str] = ()) -> None:
        self._decode, self._stops = decode, tuple(stops)
        self._first = self._given = 0
        self._held = ""
        self.is_stopped = False

    def push(self, tokens: Sequence[int]) -> str:
        """`tokens` are all so far; what may be said now of what is new."""
        if self.is_stopped:
            return ""
        text = self._decode(tokens[self._first :])
        whole = text.rstrip(_HALF)
        fresh = whole[self._given :]
        self._given = max(self._given, len(whole))
        if len(whole) == len(text) and len(tokens) - self._first > _WINDOW:
            self._first = len(tokens) - _CONTEXT
            self._given = len(self._decode(tokens[self._first :]))
        return self._released(fresh) if fresh else ""

    def end(self, tokens: Sequence[int]) -> str:
        """What was held back, when no more tokens come."""
        if self.is_stopped:
            return ""
        text = self._decode(tokens[self._first :])
        said = self._released(text[self._given :])
        if self.is_stopped:
            return said
        held, self._held = self._held, ""
        return said + held

    def _released(self, fresh: str) -> str:
        if not self._stops:
            return fresh
        held = self._held + fresh
        found = [place for stop in self._stops if (place := held.find(stop)) >= 0]
        if found:
            self.is_stopped, self._held = True, ""
            return held[: min(found)]
        kept = max(_beginning(held, stop) for stop in self._stops)
        self._held = held[len(held) - kept :]
        return held[: len(held) - kept]


def _beginning(text: str, stop: str) -> int:
    """How many characters at the end of `text` may be the beginning of `stop`."""
    for length in range(min(len(text), len(stop) - 1), 0, -1):
        if text.endswith(stop[:length]):
            return length
    return 0
