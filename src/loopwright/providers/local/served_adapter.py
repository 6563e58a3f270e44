"""What endpoints and deliveries share: declared on disk, then followed by the project's daemon.

A declaration is durable before anybody is told of it, so that a daemon which dies in between, or
is started later, finds the same.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from loopwright.daemon.declared import Declared, Shelf
from loopwright.errors import PermanentError
from loopwright.gateway.settings import Role
from loopwright.providers.base import (
    Capabilities,
    FieldChange,
    Observed,
    Operation,
    OperationStatus,
    Opinion,
    Target,
)
from loopwright.providers.local.permission import forbidden, must_be
from loopwright.providers.local.places import Places
from loopwright.providers.local.refusing import explained
from loopwright.providers.local.serving import Serving, Status
from loopwright.resources.address import Address

_UNTOLD = frozenset({"provider", "lifecycle", "promote"})


class ServedAdapter(ABC):
    """Base of the adapters of what a daemon serves. The external id is the name."""

    starts: bool
    """Whether it needs a daemon, and so starts one."""
    least: Role
    """Of whoever declares it or takes it away."""
    doing: str
    """What that is, in words."""

    def __init__(self, places: Places, capabilities: Capabilities) -> None:
        self.capabilities = capabilities
        self.places = places
        self.serving = Serving(places)

    @property
    @abstractmethod
    def shelf(self) -> Shelf:
        """Where the declarations of this kind lie."""

    @abstractmethod
    def told(self, declared: Declared, status: Status | None) -> Observed:
        """What is declared, as it is served now."""

    @abstractmethod
    def trouble(self, declared: Declared, status: Status) -> str:
        """Why a daemon that follows does not serve it; empty: it does."""

    def before(self, target: Target) -> None:
        """What else has to be on disk before the declaration is."""
        del target

    def opinions(self, target: Target) -> Iterable[Opinion]:
        """What the kind has against a target before anything is done."""
        del target
        return ()

    def check(self, target: Target) -> Iterable[Opinion]:
        """First of all, whoever applies must be allowed to."""
        yield from forbidden(self.least, self.doing, self.places, target)
        yield from self.opinions(target)

    def declared(self, target: Target, spec: Mapping[str, Any]) -> Declared:
        """What the daemon is to read."""
        folder = self.places.text(target.base_dir)
        return Declared(target.address.name, target.owner, spec, folder)

    def edited(
        self, target: Target, held: Declared | None, changes: Sequence[FieldChange], key: str
    ) -> Declared:
        """The declaration after a change of these fields."""
        del key
        desired = sent(target.spec)
        return self.declared(target, edited(held.spec, desired, changes) if held else desired)

    def judged(self, declared: Declared, status: Status, operation: Operation) -> Operation:
        """What the daemon does with it, once it follows without trouble: done, or under way."""
        del declared, status
        return operation

    def needs_daemon(self, declared: Declared) -> bool:
        del declared
        return self.starts

    def observe(self, target: Target, external_id: str | None) -> Observed | None:
        with explained(target.address, "observe"):
            return self._observed(target, external_id, self.serving.status())

    def observe_all(
        self, targets: Sequence[tuple[Target, str | None]]
    ) -> Mapping[Address, Observed | None]:
        """With one question to the daemon for all."""
        with explained(targets[0][0].address, "observe"):
            status = self.serving.status()
            return {
                target.address: self._observed(target, external_id, status)
                for target, external_id in targets
            }

    def create(self, target: Target, key: str) -> Operation:
        """Declare it, and have it followed. Raises PermanentError over somebody else's."""
        with explained(target.address, "create"):
            must_be(self.least, self.doing, self.places)
            name = target.address.name
            held = self.shelf.get(name)
            if held and held.owner != target.owner:
                raise PermanentError(
                    f"cannot make {target.address}: one of that name belongs to {held.owner}",
                    address=str(target.address),
                    action="create",
                    hint=f"take it over with `loopwright adopt {target.address}`",
                )
            self._declare(target, self.declared(target, sent(target.spec)))
            return self._brought_on(target, Operation(key, external_id=name))

    def update(
        self, target: Target, observed: Observed, changes: Sequence[FieldChange], key: str
    ) -> Operation:
        with explained(target.address, "update"):
            must_be(self.least, self.doing, self.places)
            held = self.shelf.get(observed.external_id)
            self._declare(target, self.edited(target, held, changes, key))
            return self._brought_on(target, Operation(key, external_id=target.address.name))

    def delete(self, target: Target, observed: Observed, key: str) -> Operation:
        with explained(target.address, "delete"):
            must_be(self.least, self.doing, self.places)
            self.shelf.remove(observed.external_id)
            self.serving.followed()
            self.serving.handed_over()
            self.serving.stopped_if_idle()
        return Operation(key, external_id=observed.external_id)

    def poll(self, target: Target, operation: Operation) -> Operation:
        if operation.status.is_terminal:
            return operation
        with explained(target.address, "poll"):
            return self._brought_on(target, operation)

    def look(self, target: Target, operation: Operation) -> Operation:
        """How far the daemon that serves now is with it; none is started or told anything."""
        with explained(target.address, "look at"):
            held, status = self.shelf.get(target.address.name), self.serving.status()
            if operation.status.is_terminal or held is None or status is None:
                return operation
            return self.judged(held, status, operation)

    def find(self, target: Target) -> Sequence[Observed]:
        """One of that name under another tag, as after a lost state."""
        found = self.observe(target, target.address.name)
        return [found] if found and found.owner != target.owner else []

    def adopt(self, target: Target, observed: Observed, key: str) -> Operation:
        """Put our owner tag on it."""
        with explained(target.address, "adopt"):
            must_be(self.least, self.doing, self.places)
            if held := self.shelf.get(observed.external_id):
                self.shelf.put(replace(held, owner=target.owner))
        return Operation(key, external_id=observed.external_id)

    def _declare(self, target: Target, declared: Declared) -> None:
        self.before(target)
        self.shelf.put(declared)

    def _observed(
        self, target: Target, external_id: str | None, status: Status | None
    ) -> Observed | None:
        held = self.shelf.get(external_id or target.address.name)
        if held is None or (external_id is None and held.owner != target.owner):
            return None
        return self.told(held, status)

    def _brought_on(self, target: Target, operation: Operation) -> Operation:
        held = self.shelf.get(target.address.name)
        if held is None:
            return operation.with_status(
                OperationStatus.FAILED, message="its declaration is gone", transient=True
            )
        may_start = self.needs_daemon(held)
        operation, status = self.serving.brought_on(operation, may_start=may_start)
        if operation.status is not OperationStatus.SUCCEEDED:
            return operation
        if status and (why := self.trouble(held, status)):
            return operation.with_status(OperationStatus.FAILED, message=why)
        operation = replace(operation, outputs=self.told(held, status or None).outputs)
        return self.judged(held, status, operation) if status else operation


def edited(
    spec: Mapping[str, Any], desired: Mapping[str, Any], changes: Sequence[FieldChange]
) -> dict[str, Any]:
    """The spec with the top-level fields that changes lie in as they are desired."""
    named = {change.path.partition(".")[0] for change in changes}
    kept = {name: value for name, value in spec.items() if name not in named}
    return kept | {name: value for name, value in desired.items() if name in named}


def sent(spec: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in spec.items() if name not in _UNTOLD}
