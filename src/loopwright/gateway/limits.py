"""Requests and tokens a minute: two buckets an endpoint, and the headers that tell of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from time import monotonic

from loopwright.gateway.refusals import RefusalError
from loopwright.gateway.settings import Endpoint

Headers = tuple[tuple[str, str], ...]


class Bucket:
    """Holds up to a minute's worth and fills evenly. Debts are possible, and are paid first."""

    def __init__(self, per_minute: int, *, clock: Callable[[], float] = monotonic) -> None:
        self.limit = per_minute
        self._clock = clock
        self._level = float(per_minute)
        self._at = clock()

    def level(self) -> float:
        """What may be taken now."""
        now = self._clock()
        earned = max(0.0, now - self._at) * self.limit / 60
        self._level = min(float(self.limit), self._level + earned)
        self._at = now
        return self._level

    def wait(self, amount: float) -> float:
        """Seconds until `amount` can be taken; 0 when it can be now."""
        return max(0.0, (amount - self.level()) * 60 / self.limit)

    def take(self, amount: float) -> None:
        """Take, into debt if need be; a negative amount gives back."""
        self._level = min(float(self.limit), self._level - amount)


class EndpointLimits:
    """What the clients of one endpoint may ask for together. Tokens are taken at the start by an
    estimate and put right when the answer says how many there were."""

    def __init__(self, endpoint: Endpoint, *, clock: Callable[[], float] = monotonic) -> None:
        self._name = endpoint.name
        self._requests = Bucket(endpoint.rpm, clock=clock) if endpoint.rpm else None
        self._tokens = Bucket(endpoint.tpm, clock=clock) if endpoint.tpm else None

    def fits(self, endpoint: Endpoint) -> bool:
        """Whether these are the limits of `endpoint` still, so that a reload keeps the levels."""
        numbers = (
            self._requests.limit if self._requests else None,
            self._tokens.limit if self._tokens else None,
        )
        return numbers == (endpoint.rpm or None, endpoint.tpm or None)

    def admit(self, tokens: int) -> int:
        """Take one request and about `tokens`; returns what was taken. Raises RefusalError 429.

        An estimate above the limit is cut to it: such a call waits for a full bucket.
        """
        requests, bucket = self._requests, self._tokens
        if requests is None and bucket is None:
            return 0
        asked = min(tokens, bucket.limit) if bucket else 0
        if requests and (seconds := requests.wait(1)):
            raise self._refused("requests", "RPM", requests.limit, seconds=seconds)
        if bucket and (seconds := bucket.wait(asked)):
            raise self._refused("tokens", "TPM", bucket.limit, seconds=seconds)
        if requests:
            requests.take(1)
        if bucket:
            bucket.take(asked)
        return asked

    def settle(self, taken: int, used: int) -> None:
        """Put an estimate right: `used` tokens it was in truth."""
        if self._tokens and used != taken:
            self._tokens.take(used - taken)

    def headers(self) -> Headers:
        """`x-ratelimit-*` as OpenAI sends them; none where nothing is limited."""
        found: list[tuple[str, str]] = []
        for word, bucket in (("requests", self._requests), ("tokens", self._tokens)):
            if bucket:
                found += [
                    (f"x-ratelimit-limit-{word}", str(bucket.limit)),
                    (f"x-ratelimit-remaining-{word}", str(max(0, int(bucket.level())))),
                    (f"x-ratelimit-reset-{word}", _duration(bucket.wait(bucket.limit))),
                ]
        return tuple(found)

    def _refused(self, what: str, unit: str, limit: int, *, seconds: float) -> RefusalError:
        return RefusalError(
            429,
            f"Rate limit reached for `{self._name}` on {what} per min ({unit}): limit {limit}. "
            f"Please try again in {_duration(seconds)}.",
            type=what,
            code="rate_limit_exceeded",
            headers=(
                ("retry-after", str(math.ceil(seconds))),
                ("retry-after-ms", str(math.ceil(seconds * 1000))),
                *self.headers(),
            ),
        )


def _duration(seconds: float) -> str:
    """As OpenAI writes it: `120ms`, `8.64s`, `6m0s`."""
    if seconds < 1:
        return f"{math.ceil(seconds * 1000)}ms"
    minutes, rest = divmod(seconds, 60)
    return f"{int(minutes)}m{rest:.0f}s" if minutes else f"{round(rest, 2):g}s"
