"""The users' own regular expressions, which may be of the kind that never ends.

Python's engine cannot be stopped, so they run in one that can, and lets other threads go on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import partial
from time import monotonic

import regex

from loopwright.errors import CaptureError
from loopwright.gateway.findings import Detect, Finding
from loopwright.lake.capture.records import Lost

_HURRIED = 0.002  # seconds that a pattern may take where other calls wait meanwhile
_PATIENT = 0.05  # seconds that it may take for one text elsewhere
_A_CHARACTER = 2e-7  # seconds more for each: many times what an honest pattern needs
_FLAGS: Mapping[int, int] = {
    re.ASCII: regex.ASCII,
    re.IGNORECASE: regex.IGNORECASE,
    re.MULTILINE: regex.MULTILINE,
    re.DOTALL: regex.DOTALL,
    re.VERBOSE: regex.VERBOSE,
}


class SlowPatternError(CaptureError):
    """An own pattern takes longer than other calls can wait. Try again with patience."""


class Patience:
    """How long the own patterns may take in all for one call, in seconds."""

    def __init__(self, seconds: float) -> None:
        self.left = seconds

    def took(self, seconds: float) -> None:
        self.left = max(0.0, self.left - seconds)


def own_pattern(label: str, pattern: re.Pattern[str], patience: Patience | None) -> Detect:
    """The detector `label`. Without `patience` it raises SlowPatternError when it takes long.

    With it, a text that takes long counts as found whole, since nobody knows what it holds.
    """
    flags = sum(same for flag, same in _FLAGS.items() if pattern.flags & flag)
    compiled = regex.compile(pattern.pattern, flags)

    def found(text: str, seconds: float, *, aside: bool) -> Iterator[Finding]:
        for one in compiled.finditer(text, timeout=seconds, concurrent=aside):
            if one.start() < one.end():
                yield Finding(one.start(), one.end(), label, one.group())

    def hurried(text: str) -> Iterator[Finding]:
        try:
            yield from found(text, _HURRIED, aside=False)
        except TimeoutError as error:
            message = f"redaction pattern {label!r} takes too long"
            raise SlowPatternError(message, reason=Lost.DEFECT) from error

    def patient(text: str, left: Patience) -> Iterator[Finding]:
        began = monotonic()
        try:
            if left.left:
                yield from found(text, _PATIENT + len(text) * _A_CHARACTER, aside=True)
                return
        except TimeoutError:
            left.took(monotonic() - began)
        yield Finding(0, len(text), label, text)

    return hurried if patience is None else partial(patient, left=patience)
