"""One adapter for every kind of the memory provider: the contract's verbs over the fake cloud.

What differs by kind is in `kinds` and `estimates`; what goes wrong is in `faults`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

from loopwright.errors import PermanentError
from loopwright.providers.base import (
    Capabilities,
    Estimate,
    FieldChange,
    Idempotency,
    LastRun,
    Observed,
    Operation,
    Target,
)
from loopwright.providers.memory import kinds
from loopwright.providers.memory.canary import begun as started
from loopwright.providers.memory.canary import folded, told
from loopwright.providers.memory.cloud import Cloud
from loopwright.providers.memory.connection import Canary
from loopwright.providers.memory.contents import Contents, RemoteObject, Write
from loopwright.providers.memory.estimates import estimate, population
from loopwright.providers.memory.fields import changed
from loopwright.providers.memory.telling import brought_on, log_lines, observed
from loopwright.resources.address import Address


class MemoryAdapter:
    """Any kind, in any idempotency mode. Every verb raises what the fault rules say."""

    def __init__(self, kind: str, cloud: Cloud, capabilities: Capabilities) -> None:
        self.capabilities = capabilities
        self._kind = kind
        self._cloud = cloud
        self._world = cloud.world

    def observe(self, target: Target, external_id: str | None) -> Observed | None:
        """None for what is not there, and for what the world does not show yet."""
        return self._look([(target, external_id)])[target.address]

    def observe_all(
        self, targets: Sequence[tuple[Target, str | None]]
    ) -> Mapping[Address, Observed | None]:
        """One look for all of them."""
        return self._look(targets)

    def create(self, target: Target, key: str) -> Operation:
        """Make it, or give back what the key made before, as far as the mode can tell."""
        with self._changing("create", target) as contents:
            made = self._made_before(contents, target, key)
            if made:
                self._world.note(Write("create", str(target.address), key, made))
            else:
                thing = self._cloud.new_object(
                    target, key, owner=self._owner(target), contents=contents
                )
                self._world.put(thing, Write("create", str(target.address), key, thing.id))
                made = thing.id
            begun = Operation(key, external_id=made)
            return brought_on(begun, contents.objects.get(made), self._cloud.now())

    def update(
        self, target: Target, observed: Observed, changes: Sequence[FieldChange], key: str
    ) -> Operation:
        """Raises PermanentError when it is gone."""
        with self._changing("update", target) as contents:
            kept, now = self._existing(contents, target, observed), self._cloud.now()
            old = folded(kept, now)
            new = replace(
                old,
                spec=changed(old.spec, target.spec, [change.path for change in changes]),
                outputs=kinds.outputs_of(self._cloud.making(target, contents)),
                canary={},
            )
            write = Write("update", str(target.address), key, new.id)
            if not target.canary:
                self._world.put(new, write)
                return Operation(key, external_id=new.id, outputs=new.outputs)
            begun = Operation(key, external_id=new.id, handle={"canary": key})
            if kept.canary.get("key") == key:
                self._world.note(write)
                return told(begun, kept, now)
            steered = self._cloud.settings.canaries.get(target.address.name, Canary())
            thing = started(old, new, target.canary, steered, key=key, now=now)
            self._world.put(thing, write)
            return told(begun, thing, now)

    def delete(self, target: Target, observed: Observed, key: str) -> Operation:
        """Remove it; what is gone already stays gone."""
        write = Write("delete", str(target.address), key, observed.external_id)
        with self._changing("delete", target) as contents:
            if observed.external_id in contents.objects:
                self._world.drop(observed.external_id, write)
            else:
                self._world.note(write)
            return Operation(key, external_id=observed.external_id)

    def poll(self, target: Target, operation: Operation) -> Operation:
        """How it stands by the clock; changes nothing."""
        if operation.status.is_terminal:
            return operation
        with self._cloud.faults.around("poll", target):
            return self.look(target, operation)

    def look(self, target: Target, operation: Operation) -> Operation:
        """The same; nobody was asked to bring it on, so nothing goes wrong either."""
        del target
        if operation.status.is_terminal:
            return operation
        with self._world.looking() as contents:
            thing, now = contents.objects.get(operation.external_id), self._cloud.now()
            if thing and thing.canary and operation.handle.get("canary"):
                return told(operation, thing, now)
            return brought_on(operation, thing, now)

    def cancel(self, target: Target, operation: Operation) -> Operation:
        """Stop it at once; what has ended stays as it ended."""
        with self._changing("cancel", target) as contents:
            thing, now = contents.objects.get(operation.external_id), self._cloud.now()
            if thing and thing.status_at(now) == "running":
                thing = replace(thing, ready_at=now, ends="cancelled", message="cancelled")
                write = Write("cancel", str(target.address), operation.key, thing.id)
                self._world.put(thing, write)
            return brought_on(operation, thing, now)

    def find(self, target: Target) -> Sequence[Observed]:
        """Objects of the same name that do not bear our owner tag."""
        with self._world.looking() as contents:
            named = contents.by_name.get((self._kind, kinds.object_name(target)), {})
            others = [thing for thing in named.values() if thing.owner != target.owner]
        seen = (observed(thing, self._cloud.now()) for thing in others)
        return [found for found in seen if found]

    def adopt(self, target: Target, observed: Observed, key: str) -> Operation:
        """Put our owner tag on it. Raises PermanentError when it is gone."""
        with self._changing("adopt", target) as contents:
            old = self._existing(contents, target, observed)
            ours = replace(old, owner=self._owner(target), revision=target.revision)
            self._world.put(ours, Write("adopt", str(target.address), key, old.id))
            return Operation(key, external_id=old.id, outputs=old.outputs)

    def logs(self, target: Target, operation: Operation) -> Iterator[str]:
        """What happened to it so far; nothing when it is gone."""
        del target
        with self._world.looking() as contents:
            thing = contents.objects.get(operation.external_id)
        yield from log_lines(thing, self._cloud.now()) if thing else ()

    def estimate(self, target: Target, last: LastRun | None) -> Estimate:
        """Exact: the fake cloud has no surprises of size."""
        with self._world.looking() as contents:
            found = population(contents, target, self._cloud.now())
        hours = self._cloud.seconds_for(self._kind) / 3600
        return estimate(target, last, population=found, hours=hours, prices=self._cloud.prices)

    def _look(self, targets: Sequence[tuple[Target, str | None]]) -> dict[Address, Observed | None]:
        with self._cloud.faults.around("observe", *(target for target, _ in targets)):
            now = self._cloud.now()
            with self._world.looking() as contents:
                return {
                    target.address: self._seen(contents, target, external_id, now)
                    for target, external_id in targets
                }

    @contextmanager
    def _changing(self, action: str, target: Target) -> Iterator[Contents]:
        with self._cloud.faults.around(action, target), self._world.changing() as contents:
            yield contents

    def _owner(self, target: Target) -> str:
        return "" if self.capabilities.idempotency is Idempotency.NONE else target.owner

    def _seen(
        self, contents: Contents, target: Target, external_id: str | None, now: float
    ) -> Observed | None:
        known = contents.objects.get(external_id) if external_id else None
        thing = known if external_id else self._tagged(contents, target)
        return observed(folded(thing, now), now) if thing and thing.kind == self._kind else None

    def _tagged(self, contents: Contents, target: Target) -> RemoteObject | None:
        """The newest that bears the target's owner tag; of a run, that of its revision."""
        owner = self._owner(target)
        owned = contents.by_owner.get((self._kind, owner), {}) if owner else {}
        for thing in reversed(owned.values()):
            if target.revision in (None, thing.revision):
                return thing
        return None

    def _made_before(self, contents: Contents, target: Target, key: str) -> str | None:
        """A token is known at once and for ever; a tag only while and where it is seen."""
        if self.capabilities.idempotency is Idempotency.TOKEN:
            return contents.by_key.get(key)
        if self.capabilities.idempotency is Idempotency.NONE:
            return None
        now = self._cloud.now()
        for thing in contents.by_owner.get((self._kind, target.owner), {}).values():
            if thing.key == key and now >= thing.seen_at:
                return thing.id
        return None

    def _existing(self, contents: Contents, target: Target, observed: Observed) -> RemoteObject:
        thing = contents.objects.get(observed.external_id)
        if thing is None:
            raise PermanentError(
                f"cannot change {target.address}: {observed.external_id} is gone",
                address=str(target.address),
                hint="the next plan makes it anew",
            )
        return thing


class PinningAdapter(MemoryAdapter):
    """Of kinds that name base models, where the settings say what these stand for."""

    def pins(self, target: Target) -> Mapping[str, str]:
        """Raises PermanentError for a base that stands for nothing."""
        known, found = self._cloud.settings.pins, {}
        for path, within in (("base", target.spec), ("model.base", target.spec.get("model"))):
            name = within.get("base") if isinstance(within, Mapping) else None
            if name in known:
                found[path] = known[name]
                if not known[name]:
                    hint = "name a base model that there is"
                    raise PermanentError(f"{name} stands for nothing", hint=hint)
        return found
