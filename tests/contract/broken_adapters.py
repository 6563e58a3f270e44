"""Adapters that are broken on purpose, each against one rule of the contract."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

from loopwright.errors import ProviderError, TransientError
from loopwright.providers.base import (
    FieldChange,
    Observed,
    Operation,
    OperationStatus,
    Provider,
    ProviderContext,
    Target,
)
from loopwright.providers.memory import MemoryFactory
from loopwright.providers.memory.adapter import MemoryAdapter
from loopwright.providers.memory.world import World
from loopwright.resources.address import Address

SLOW = {"jobSeconds": {"Endpoint": 40}}


class CreatesTwice(MemoryAdapter):
    def create(self, target: Target, key: str) -> Operation:
        return super().create(target, uuid4().hex)


class ForgetsItsTag(MemoryAdapter):
    def create(self, target: Target, key: str) -> Operation:
        return super().create(replace(target, owner="nobody"), key)


class TellsFailureAsAbsence(MemoryAdapter):
    def observe(self, target: Target, external_id: str | None) -> Observed | None:
        try:
            return super().observe(target, external_id)
        except ProviderError:
            return None


class RaisesWhatItLikes(MemoryAdapter):
    def observe(self, target: Target, external_id: str | None) -> Observed | None:
        try:
            return super().observe(target, external_id)
        except ProviderError as error:
            raise ConnectionError("boom") from error


class RaisesForWhatIsUnknown(MemoryAdapter):
    def observe(self, target: Target, external_id: str | None) -> Observed | None:
        found = super().observe(target, external_id)
        if found is None and external_id and not external_id.startswith("mem-"):
            raise TransientError("no such object")
        return found


class ChangesWhatItLooksAt(MemoryAdapter):
    def observe(self, target: Target, external_id: str | None) -> Observed | None:
        found = super().observe(target, external_id)
        if found is None:
            return None
        self.looks = getattr(self, "looks", 0) + 1
        return replace(found, outputs={**found.outputs, "looks": self.looks})

    observe_all = None


class TellsInItsOwnWords(MemoryAdapter):
    def observe(self, target: Target, external_id: str | None) -> Observed | None:
        found = super().observe(target, external_id)
        return found and replace(found, spec={**found.spec, "type": "CUSTOM"})

    observe_all = None


class TellsAStandIn(MemoryAdapter):
    def observe(self, target: Target, external_id: str | None) -> Observed | None:
        found = super().observe(target, external_id)
        if found is None:
            return None
        model = found.spec["model"]
        masked = {**model, "upstream": {**model["upstream"], "apiKey": "****"}}
        return replace(found, spec={**found.spec, "model": masked})

    observe_all = None


class ListsHalf(MemoryAdapter):
    def observe_all(
        self, targets: Sequence[tuple[Target, str | None]]
    ) -> Mapping[Address, Observed | None]:
        return dict(list(super().observe_all(targets).items())[:1])

    def observe(self, target: Target, external_id: str | None) -> Observed | None:
        return MemoryAdapter.observe_all(self, [(target, external_id)])[target.address]


class ListsOldNews(ListsHalf):
    def observe_all(
        self, targets: Sequence[tuple[Target, str | None]]
    ) -> Mapping[Address, Observed | None]:
        found = MemoryAdapter.observe_all(self, targets)
        return {address: one and replace(one, spec={}) for address, one in found.items()}


class WritesTheWholeSpec(MemoryAdapter):
    def update(
        self, target: Target, observed: Observed, changes: Sequence[FieldChange], key: str
    ) -> Operation:
        everything = [FieldChange(name) for name in {*target.spec, *observed.spec}]
        return super().update(target, observed, everything, key)


class UpdatesNothing(MemoryAdapter):
    def update(
        self, target: Target, observed: Observed, changes: Sequence[FieldChange], key: str
    ) -> Operation:
        return super().update(target, observed, (), key)


class CannotDeleteTwice(MemoryAdapter):
    def delete(self, target: Target, observed: Observed, key: str) -> Operation:
        if self.observe(target, observed.external_id) is None:
            raise TransientError("no such object")
        return super().delete(target, observed, key)


class DeletesNothing(MemoryAdapter):
    def delete(self, target: Target, observed: Observed, key: str) -> Operation:
        return Operation(key)


class ForgetsItsHandles(MemoryAdapter):
    def create(self, target: Target, key: str) -> Operation:
        self.begun = {*getattr(self, "begun", ()), target.address}
        return super().create(target, key)

    def poll(self, target: Target, operation: Operation) -> Operation:
        if target.address not in getattr(self, "begun", ()):
            return operation.with_status(OperationStatus.FAILED, message="unknown job")
        return super().poll(target, operation)


class NeedsItsHandle(MemoryAdapter):
    def create(self, target: Target, key: str) -> Operation:
        return replace(super().create(target, key), handle={"job": "7"})

    def poll(self, target: Target, operation: Operation) -> Operation:
        if not operation.status.is_terminal and "job" not in operation.handle:
            raise TransientError("which job?")
        return super().poll(target, operation)


class EndsAgain(MemoryAdapter):
    def poll(self, target: Target, operation: Operation) -> Operation:
        if operation.status.is_terminal:
            return operation.with_status(OperationStatus.RUNNING)
        return super().poll(target, operation)


class CannotStop(MemoryAdapter):
    def cancel(self, target: Target, operation: Operation) -> Operation:
        return operation


class FindsNothing(MemoryAdapter):
    def find(self, target: Target) -> Sequence[Observed]:
        return ()


class AdoptsInWords(MemoryAdapter):
    def adopt(self, target: Target, observed: Observed, key: str) -> Operation:
        return Operation(key, external_id=observed.external_id)


class ClaimsToSettleAtOnce(MemoryAdapter):
    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.capabilities = replace(self.capabilities, settling=timedelta(0))


class ChangesItsCapabilities(MemoryAdapter):
    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.capabilities = replace(self.capabilities, updatable=frozenset({"rateLimit"}))


class Sabotaged(MemoryFactory):
    """A memory provider whose endpoints are broken on purpose."""

    def __init__(self, adapter: type[MemoryAdapter]) -> None:
        super().__init__(World())
        self._adapter = adapter

    def build(self, context: ProviderContext) -> Provider:
        built = super().build(context)
        whole = built.adapters["Endpoint"]
        broken = self._adapter("Endpoint", whole._cloud, whole.capabilities)
        built.adapters = {**built.adapters, "Endpoint": broken}
        return built


LATE = {"faults": {"listLagSeconds": 30}}
FAILING = {"faults": {"failJobs": [{"kind": "Endpoint", "times": 99}]}}
ENDLESS = {"jobSeconds": {"Endpoint": 1e6}}

SABOTAGES: list[tuple[type[MemoryAdapter], Mapping[str, Any], set[str]]] = [
    (CreatesTwice, {}, {"the-same-key-makes-one-object"}),
    (ForgetsItsTag, {}, {"an-object-is-found-by-its-owner-tag"}),
    (MemoryAdapter, FAILING, {"a-create-ends-in-success"}),
    (MemoryAdapter, ENDLESS, {"a-create-ends-in-success"}),
    (TellsFailureAsAbsence, {}, {"a-failure-is-raised-and-never-absence"}),
    (RaisesWhatItLikes, {}, {"a-failure-is-raised-and-never-absence"}),
    (RaisesForWhatIsUnknown, {}, {"what-is-absent-is-none"}),
    (ChangesWhatItLooksAt, {}, {"observing-changes-nothing"}),
    (TellsInItsOwnWords, {}, {"what-is-observed-is-what-was-declared"}),
    (TellsAStandIn, {}, {"a-write-only-field-is-not-told-back"}),
    (ListsHalf, {}, {"a-list-agrees-with-single-looks"}),
    (ListsOldNews, {}, {"a-list-agrees-with-single-looks"}),
    (WritesTheWholeSpec, {}, {"an-update-changes-the-named-fields-alone"}),
    (UpdatesNothing, {}, {"an-update-changes-the-named-fields-alone"}),
    (CannotDeleteTwice, {}, {"deleting-twice-succeeds"}),
    (DeletesNothing, {}, {"deleting-twice-succeeds"}),
    (ForgetsItsHandles, SLOW, {"an-operation-survives-a-restart"}),
    (NeedsItsHandle, SLOW, {"what-runs-can-be-polled-by-its-id"}),
    (EndsAgain, {}, {"an-end-is-final"}),
    (CannotStop, SLOW, {"a-cancelled-operation-stops"}),
    (FindsNothing, {}, {"what-is-adopted-is-ours"}),
    (AdoptsInWords, {}, {"what-is-adopted-is-ours"}),
    (ClaimsToSettleAtOnce, LATE, {"settling-is-honoured"}),
    (ChangesItsCapabilities, {}, {"capabilities-are-consistent"}),
]
