"""Provider calls: under the account's rate limit, tried again only when that is safe.

A create is made exactly once: after an answer that was lost, the world is looked at before
anything is asked again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from loopwright.clock import Clock, to_text
from loopwright.engine.events import Event, EventType, Listener
from loopwright.engine.pool import ProviderPool
from loopwright.engine.retry import Backoff, with_retries
from loopwright.errors import AmbiguousError, TransientError
from loopwright.providers.base import (
    Adapter,
    Idempotency,
    Observed,
    Operation,
    OperationStatus,
    Target,
)
from loopwright.state.records import Record

T = TypeVar("T")
BACKOFF = Backoff()
_LONGEST_LOOK = 5.0
"""Seconds between looks at a world that may take its time to show what it has made."""


class Caller:
    """Calls adapters on behalf of records."""

    def __init__(self, pool: ProviderPool, clock: Clock, listener: Listener, run: str) -> None:
        self._pool, self._clock = pool, clock
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

        return with_retries(once, clock=self._clock, backoff=BACKOFF, on_retry=retrying)

    def create(
        self, record: Record, target: Target, key: str, *, looks_first: bool = False
    ) -> Operation:
        """Create, or find what an earlier try of the same key has made.

        `looks_first` after a restart: whether the earlier try was sent is not known. Raises
        AmbiguousError where the provider can tell neither by key nor by tag.
        """
        adapter = self.adapter(record)
        kind = adapter.capabilities.idempotency
        if looks_first and kind is Idempotency.NAME:
            found = self._look(adapter, target, record)
            if found is not None:
                return _operation_of(found, key)
        try:
            return self.call(record, adapter.create, target, key)
        except AmbiguousError:
            if kind is Idempotency.NONE:
                raise
            found = self._look(adapter, target, record) if kind is Idempotency.NAME else None
            if found is not None:
                return _operation_of(found, key)
            return self.call(record, adapter.create, target, key)

    def _look(self, adapter: Adapter, target: Target, record: Record) -> Observed | None:
        """By owner tag, for as long as the world may take to show it."""
        waited, settling = 0.0, adapter.capabilities.settling.total_seconds()
        while True:
            found = self.call(record, adapter.observe, target, None)
            if found is not None or waited >= settling:
                return found
            pause = min(_LONGEST_LOOK, settling - waited)
            self._clock.sleep(pause)
            waited += pause


def _operation_of(observed: Observed, key: str) -> Operation:
    """What was found stands for the answer that was lost."""
    return Operation(
        key,
        OperationStatus.SUCCEEDED if observed.ready else OperationStatus.RUNNING,
        observed.external_id,
        handle={"external_id": observed.external_id},
        outputs=observed.outputs,
        message=f"found as {observed.external_id}",
    )
