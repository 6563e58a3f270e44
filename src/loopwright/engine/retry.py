"""Tries a provider call again, for transient errors alone, with growing pauses and jitter."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from loopwright.clock import Clock
from loopwright.errors import AmbiguousError, LoopwrightError, TransientError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Backoff:
    """Pauses of `first`, `first * 2`, ... seconds, at most `longest`, `tries` calls in all."""

    tries: int = 4
    first: float = 0.5
    longest: float = 20.0

    def pause(self, attempt: int, error: TransientError | None = None) -> float:
        """Seconds before trying again after the given attempt (from 1)."""
        base = min(self.longest, self.first * 2.0 ** (attempt - 1))
        jittered = base * random.uniform(0.5, 1.0)
        asked = error.retry_after if error and error.retry_after else 0.0
        return max(jittered, asked)


def with_retries(
    call: Callable[[], T],
    *,
    clock: Clock,
    backoff: Backoff,
    hide: Callable[[str], str],
    on_retry: Callable[[TransientError, int], None] | None = None,
) -> T:
    """The call's result. An ambiguous error is never tried again here: look first.

    `hide` takes secrets out of what a provider says of a failure.
    """
    for attempt in range(1, backoff.tries + 1):
        try:
            return call()
        except Exception as error:
            _take_out_secrets(error, hide)
            if not isinstance(error, TransientError) or isinstance(error, AmbiguousError):
                raise
            if attempt == backoff.tries:
                raise
            if on_retry:
                on_retry(error, attempt)
            clock.sleep(backoff.pause(attempt, error))
    raise AssertionError("unreachable: the last attempt returns or raises")


def _take_out_secrets(error: Exception, hide: Callable[[str], str]) -> None:
    error.args = tuple(hide(part) if isinstance(part, str) else part for part in error.args)
    if isinstance(error, LoopwrightError):
        error.message, error.hint = hide(error.message), hide(error.hint or "") or None
