"""A token bucket an account, so that many workers stay within the provider's limit."""

from __future__ import annotations

import threading

from loopwright.clock import Clock


class Throttle:
    """At most `per_second` calls, `burst` at once; `wait` blocks until one may go."""

    def __init__(self, *, per_second: float, burst: int, clock: Clock) -> None:
        self._rate, self._burst, self._clock = per_second, float(burst), clock
        self._tokens = float(burst)
        self._filled_at = clock.now()
        self._lock = threading.Lock()

    def wait(self) -> None:
        while delay := self._take():
            self._clock.sleep(delay)

    def _take(self) -> float:
        """Take a token; else the seconds until there is one."""
        with self._lock:
            now = self._clock.now()
            gained = (now - self._filled_at).total_seconds() * self._rate
            self._tokens = min(self._burst, self._tokens + max(gained, 0.0))
            self._filled_at = now
            if self._tokens >= 1:
                self._tokens -= 1
                return 0.0
            return (1 - self._tokens) / self._rate
