"""One adapter for every kind of the memory provider: the contract's verbs over the fake cloud.

What differs by kind is in `kinds` and `estimates`; what goes wrong is in `faults`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from loopwright.clock import Clock
from loopwright.errors import PermanentError
from loopwright.hashing import sha256_hex
from loopwright.providers.base import (
    Capabilities,
    Estimate,
    FieldChange,
    Idempotency,
    LastRun,
    Observed,
    Operation,
    OperationStatus,
    Progress,
    Target,
)
from loopwright.providers.memory import kinds
from loopwright.providers.memory.connection import Connection
from loopwright.providers.memory.estimates import estimate, population, shortage
from loopwright.providers.memory.faults import Faults
from loopwright.providers.memory.fields import changed, without
from loopwright.providers.memory.world import RemoteObject, World, Write
from loopwright.resources.address import Address

_PREFIXES = {
    "Lake": "lake",
    "Endpoint": "ep",
    "Delivery": "dl",
    "CallImport": "ci",
    "Dataset": "ds",
    "Export": "ex",
    "FineTuneJob": "ft",
    "Model": "mo",
    "BatchInference": "bi",
    "EvalRun": "ev",
}
_POLL_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Cloud:
    """The fake cloud as one configured provider meets it."""

    world: World
    clock: Clock
    settings: Connection
    faults: Faults
    prices: Mapping[str, Any] = field(default_factory=dict)

    def now(self) -> float:
        return self.clock.now().timestamp()


class MemoryAdapter:
    """Any kind, in any idempotency mode."""

    def __init__(self, kind: str, cloud: Cloud, capabilities: Capabilities) -> None:
        self.capabilities = capabilities
        self._kind = kind
        self._cloud = cloud
        self._world = cloud.world
        self._defaults = cloud.settings.server_defaults.get(kind, {})

    def observe(self, target: Target, external_id: str | None) -> Observed | None:
        """Raises what the faults say; None is for what is surely not there, or not seen yet."""
        with self._cloud.faults.around("observe", target):
            thing = self._world.get(external_id) if external_id else self._tagged(target)
            return self._observed(thing, self._cloud.now())

    def observe_all(
        self, targets: Sequence[tuple[Target, str | None]]
    ) -> Mapping[Address, Observed | None]:
        """One look for all of them."""
        with self._cloud.faults.around("observe", *(target for target, _ in targets)):
            now, things = self._cloud.now(), self._world.snapshot()
            return {
                target.address: self._observed(
                    things.get(external_id) if external_id else self._tagged(target), now
                )
                for target, external_id in targets
            }

    def create(self, target: Target, key: str) -> Operation:
        """Make it, or give back what the key made before, as far as the mode can tell."""
        with self._cloud.faults.around("create", target), self._world.changing():
            made = self._made_with(target, key)
            if made:
                self._world.note(Write("create", str(target.address), key, made))
            else:
                made = self._make(target, key)
            return self._progress(Operation(key, external_id=made, handle={"id": made}))

    def update(
        self, target: Target, observed: Observed, changes: Sequence[FieldChange], key: str
    ) -> Operation:
        """Raises PermanentError when it is gone."""
        with self._cloud.faults.around("update", target), self._world.changing():
            old = self._world.get(observed.external_id)
            if old is None:
                raise self._gone(target, observed.external_id)
            new = replace(
                old,
                spec=changed(old.spec, target.spec, [change.path for change in changes]),
                outputs=kinds.outputs_of(self._making(target, old)),
            )
            self._world.put(new, Write("update", str(target.address), key, new.id))
            return Operation(key, external_id=new.id, outputs=new.outputs)

    def delete(self, target: Target, observed: Observed, key: str) -> Operation:
        """Remove it; what is gone already stays gone."""
        write = Write("delete", str(target.address), key, observed.external_id)
        with self._cloud.faults.around("delete", target), self._world.changing():
            if self._world.get(observed.external_id):
                self._world.drop(observed.external_id, write)
            else:
                self._world.note(write)
        return Operation(key, external_id=observed.external_id)

    def poll(self, target: Target, operation: Operation) -> Operation:
        """How it stands by the clock; changes nothing."""
        if operation.status.is_terminal:
            return operation
        with self._cloud.faults.around("poll", target):
            return self._progress(operation)

    def cancel(self, target: Target, operation: Operation) -> Operation:
        """Stop it at once; what has ended stays as it ended."""
        with self._cloud.faults.around("cancel", target), self._world.changing():
            thing, now = self._world.get(operation.external_id), self._cloud.now()
            if thing and thing.status_at(now) == "running":
                stopped = replace(thing, ready_at=now, ends="cancelled", message="cancelled")
                write = Write("cancel", str(target.address), operation.key, thing.id)
                self._world.put(stopped, write)
            return self._progress(operation)

    def find(self, target: Target) -> Sequence[Observed]:
        """Objects of the same name that do not bear our owner tag."""
        now = self._cloud.now()
        named = self._world.named(self._kind, kinds.object_name(target))
        found = (self._observed(thing, now) for thing in named if thing.owner != target.owner)
        return [observed for observed in found if observed]

    def adopt(self, target: Target, observed: Observed, key: str) -> Operation:
        """Put our owner tag on it. Raises PermanentError when it is gone."""
        with self._cloud.faults.around("adopt", target), self._world.changing():
            old = self._world.get(observed.external_id)
            if old is None:
                raise self._gone(target, observed.external_id)
            ours = replace(old, owner=self._owner(target), revision=target.revision)
            self._world.put(ours, Write("adopt", str(target.address), key, old.id))
            return Operation(key, external_id=old.id, outputs=old.outputs)

    def logs(self, target: Target, operation: Operation) -> Iterable[str]:
        """When it began, how far it is, how it ended."""
        thing = self._world.get(operation.external_id)
        if thing is None:
            return
        now = self._cloud.now()
        yield f"{target.address} began as {thing.id}"
        if thing.ready_at > thing.created_at:
            done = min(now, thing.ready_at) - thing.created_at
            yield f"at work for {done:g} of {thing.ready_at - thing.created_at:g} s"
        if thing.status_at(now) != "running":
            yield f"{thing.ends}{': ' + thing.message if thing.message else ''}"

    def estimate(self, target: Target, last: LastRun | None) -> Estimate:
        """Exact: the fake cloud has no surprises of size."""
        cloud = self._cloud
        return estimate(
            target,
            last,
            population=population(cloud.world, target, cloud.now()),
            hours=cloud.settings.job_seconds.get(self._kind, 0) / 3600,
            prices=cloud.prices,
        )

    def _owner(self, target: Target) -> str:
        return "" if self.capabilities.idempotency is Idempotency.NONE else target.owner

    def _tagged(self, target: Target) -> RemoteObject | None:
        """The newest that bears the target's owner tag; of a run, that of its revision."""
        if not self._owner(target):
            return None
        found = [
            thing
            for thing in self._world.owned(self._kind, target.owner)
            if target.revision in (None, thing.revision)
        ]
        return found[-1] if found else None

    def _observed(self, thing: RemoteObject | None, now: float) -> Observed | None:
        if thing is None or thing.kind != self._kind or now < thing.seen_at:
            return None
        status = thing.status_at(now)
        done = status == "succeeded"
        return Observed(
            external_id=thing.id,
            spec=without(thing.spec, kinds.secret_paths(self._kind)),
            outputs=thing.outputs if done else {},
            ready=done,
            status="ready" if done else status,
            owner=thing.owner,
        )

    def _made_with(self, target: Target, key: str) -> str | None:
        if self.capabilities.idempotency is Idempotency.TOKEN:
            return self._world.created_with(key)
        if self.capabilities.idempotency is Idempotency.NONE:
            return None
        now, owned = self._cloud.now(), self._world.owned(self._kind, target.owner)
        seen = (thing.id for thing in owned if thing.key == key and now >= thing.seen_at)
        return next(seen, None)

    def _make(self, target: Target, key: str) -> str:
        cloud, now = self._cloud, self._cloud.now()
        making = self._making(target)
        doom, short = cloud.faults.doom(target), shortage(target, making.population)
        fails = bool(doom or short)
        thing = RemoteObject(
            id=self._new_id(key),
            kind=self._kind,
            name=kinds.object_name(target),
            owner=self._owner(target),
            revision=target.revision,
            key=key,
            spec={**self._defaults, **kinds.told(self._kind, target.spec)},
            outputs={} if fails else kinds.outputs_of(making),
            created_at=now,
            seen_at=now + cloud.settings.faults.list_lag_seconds,
            ready_at=now + cloud.settings.job_seconds.get(self._kind, 0),
            ends="failed" if fails else "succeeded",
            transient=bool(short) or (doom is not None and doom.how == "transient"),
            message=short or ("the world made it fail" if doom else ""),
            calls=cloud.settings.lake_calls if self._kind == "Lake" else 0,
        )
        self._world.put(thing, Write("create", str(target.address), key, thing.id))
        return thing.id

    def _making(self, target: Target, old: RemoteObject | None = None) -> kinds.Making:
        cloud = self._cloud
        before = [] if old else self._world.named(self._kind, kinds.object_name(target))
        versions = [int(thing.outputs.get("version", 0)) for thing in before]
        return kinds.Making(
            target,
            number=int(old.outputs.get("version", 1)) if old else 1 + max(versions, default=0),
            population=population(cloud.world, target, cloud.now()),
            score=cloud.settings.scores.get(target.address.name),
        )

    def _new_id(self, key: str) -> str:
        first = f"mem-{_PREFIXES[self._kind]}-{sha256_hex(key.encode())[:12]}"
        name, twin = first, 1
        while self._world.get(name):
            twin += 1
            name = f"{first}-{twin}"
        return name

    def _progress(self, operation: Operation) -> Operation:
        thing, now = self._world.get(operation.external_id), self._cloud.now()
        if thing is None:
            return _ended_without(operation)
        status = OperationStatus(thing.status_at(now))
        if status.is_terminal:
            return replace(
                operation,
                status=status,
                outputs=thing.outputs if status is OperationStatus.SUCCEEDED else {},
                progress=None,
                message=thing.message,
                transient=thing.transient,
            )
        total = thing.ready_at - thing.created_at
        left = thing.ready_at - now
        return replace(
            operation,
            status=status,
            progress=Progress(total - left, total, "s", eta_seconds=left),
            poll_after=min(left, _POLL_SECONDS),
        )

    def _gone(self, target: Target, external_id: str) -> PermanentError:
        return PermanentError(
            f"cannot change {target.address}: {external_id} is gone",
            address=str(target.address),
            hint="the next plan makes it anew",
        )


def _ended_without(operation: Operation) -> Operation:
    """Of something that is gone: finished work stays finished, running work was stopped."""
    if operation.status.is_terminal:
        return operation
    return operation.with_status(OperationStatus.FAILED, message="it was removed while at work")
