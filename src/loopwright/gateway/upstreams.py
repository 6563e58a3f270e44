"""What stands behind an endpoint: who is next by weight, and who is rested after a failure."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any
from urllib.parse import quote, urlsplit

from loopwright.errors import GatewayError
from loopwright.gateway.routing import CALLS
from loopwright.gateway.settings import Upstream
from loopwright.gateway.tally import Tally
from loopwright.gateway.upstream_client import Place, Times

_log = logging.getLogger(__name__)
_SHORTEST_REST, _LONGEST_REST = 1.0, 30.0


class Target:
    """One upstream, with all that its calls have in common made ready."""

    __slots__ = (
        "_clock",
        "_failures",
        "_until",
        "authorization",
        "paths",
        "place",
        "running",
        "tally",
        "times",
        "upstream",
    )

    def __init__(
        self,
        upstream: Upstream,
        *,
        tally: Tally | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.upstream = upstream
        self.running = 0  # calls that wait for it or are being answered
        self.tally = tally or Tally()
        self.place = Place.of(upstream.url)
        base = quote(urlsplit(upstream.url).path.rstrip("/"), safe="/%:@!$&'()*+,;=~")
        self.paths = {work: f"{base}/{path}" for path, work in CALLS.items()}
        key = upstream.api_key.strip() if upstream.api_key else ""
        if not key.isprintable():
            raise GatewayError(
                f"the API key of the upstream {upstream.url} is not one line of text"
            )
        self.authorization = f"Bearer {key}" if key else None
        self.times = Times(upstream.timeouts.connect, upstream.timeouts.first_byte)
        self._clock = clock
        self._failures = 0
        self._until = 0.0

    @property
    def is_resting(self) -> bool:
        return self._failures > 0 and self._clock() < self._until

    def failed(self, why: str) -> None:
        """It could not be reached: rest it, longer each time. Said once, not at every call."""
        if not self._failures:
            _log.warning("upstream rests", extra={"url": self.upstream.url, "why": why})
        rest = min(_LONGEST_REST, _SHORTEST_REST * 2**self._failures)
        self._failures = min(self._failures + 1, 8)
        self._until = self._clock() + rest

    def succeeded(self) -> None:
        if self._failures:
            _log.info("upstream is back", extra={"url": self.upstream.url})
        self._failures = 0

    def status(self) -> dict[str, Any]:
        """For people: never the key."""
        return {
            "url": self.upstream.url,
            "model": self.upstream.model,
            "weight": self.upstream.weight,
            "resting": self.is_resting,
            "running_calls": self.running,
            "calls": self.tally.calls,
            "errors": self.tally.errors,
        }


@dataclass(frozen=True, slots=True)
class Pool:
    """The upstreams of one endpoint."""

    targets: Sequence[Target]

    def choose(self, *, after: Target | None = None) -> Target | None:
        """One by weight, among those that are not resting where there are such.

        `after` one has failed it is another, or None when there is no other.
        """
        if len(self.targets) == 1:
            return None if after is not None else self.targets[0]
        others = [target for target in self.targets if target is not after]
        awake = [target for target in others if not target.is_resting] or others
        weights = [target.upstream.weight for target in awake]
        if not sum(weights):
            return awake[0] if awake else None
        return random.choices(awake, weights)[0]
