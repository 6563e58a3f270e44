"""Provider calls: under the account's rate limit, tried again only when that is safe.

A create is made exactly once: after an answer that was lost, the world is looked at before
anything is asked again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from loopwright.clock import Clock, from_text, to_text
from loopwright.engine.events import Event, EventType, Listener
from loopwright.engine.pool import ProviderPool
from loopwright.engine.retry import Backoff, with_retries
from loopwright.errors import AmbiguousError, TransientError
from loopwright.providers.base import Adapter, Idempotency, Operation, Target
from loopwright.state.records import Record

T = TypeVar("T")
BACKOFF = Backoff()


class Caller:
    """Calls adapters on behalf of records."""

    def __init__(self, pool: ProviderPool, clock: Clock, listener: Listener, run: str) -> None:
        self._pool, self._clock = pool, clock
        self.hide = pool.hide
        self._listener, self._run = listener, run

    def adapter(self, record: Record) -> Adapter:
        return self._pool.adapter(record.provider, record.address.kind)

    def call(self, record: Record, verb: Callable[..., T], *arguments: object) -> T:
        """One call. Raises what the provider raises once trying again is of no use."""
        throttle = self._pool.throttle(record.provider)

        def once() -> T:
            if throttle:
                throttle.wait()
            return verb(*arguments)

        def retrying(error: TransientError, attempt: int) -> None:
            message = f"{error.message}; attempt {attempt + 1} of {BACKOFF.tries}"
            at = to_text(self._clock.now())
            self._listener(
                Event(EventType.RETRYING, at, self._run, str(record.address), message=message)
            )

        return with_retries(
            once, clock=self._clock, backoff=BACKOFF, hide=self.hide, on_retry=retrying
        )

    def create(self, record: Record, target: Target, key: str) -> Operation:
        """Create, or get back what an earlier try of the same key has made.

        Raises AmbiguousError where the provider can tell neither by key nor by tag.
        """
        adapter = self.adapter(record)
        try:
            return self.call(record, adapter.create, target, key)
        except AmbiguousError:
            if adapter.capabilities.idempotency is Idempotency.NONE:
                raise
            self.settle(record)
            return self.call(record, adapter.create, target, key)

    def settle(self, record: Record) -> None:
        """Wait until what an earlier try may have made is surely seen by its tag."""
        capabilities = self.adapter(record).capabilities
        if capabilities.idempotency is not Idempotency.NAME or record.pending is None:
            return
        seen = from_text(record.pending.since) + capabilities.settling
        pause = (seen - self._clock.now()).total_seconds()
        if pause > 0:
            self._clock.sleep(pause)
