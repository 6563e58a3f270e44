"""Carries one change out: intent on disk, the provider call, the verdict on disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from loopwright.engine.calls import Caller
from loopwright.engine.events import Listener
from loopwright.engine.ledger import (
    Ledger,
    cancelled,
    described,
    operation_from_json,
    operation_key,
    remembered,
    revision_number,
)
from loopwright.engine.pool import ProviderPool
from loopwright.engine.promoting import promised, why_taken_back
from loopwright.engine.targets import Targets
from loopwright.engine.verdicts import Outcome, Result, Verdicts
from loopwright.errors import PermanentError, ProviderError, TransientError
from loopwright.graph import Graph
from loopwright.hashing import digest
from loopwright.planning.change import Action, Change
from loopwright.planning.diff import compare, covers
from loopwright.planning.doubt import both_ways_out
from loopwright.planning.outlook import with_outputs
from loopwright.planning.removal import remote_objects
from loopwright.providers.base import (
    FieldChange,
    Idempotency,
    Observed,
    Operation,
    OperationStatus,
    SupportsAdopt,
    SupportsCancel,
    Target,
)
from loopwright.resources.address import Address
from loopwright.resources.base import Nature, marked_paths
from loopwright.state.records import Pending, Record


@dataclass(frozen=True, slots=True)
class Facts:
    """What the planner knows of a change when it is started."""

    given: str = ""
    """What the resource will give to others once it is done."""
    inputs: Mapping[str, str] = field(default_factory=dict)
    """What its references come to."""


class Operator:
    """Executes changes, resolves intents that have no verdict, and polls what is running."""

    def __init__(
        self,
        ledger: Ledger,
        pool: ProviderPool,
        graph: Graph,
        *,
        origins: dict[Address, str],
        listener: Listener,
    ) -> None:
        self.ledger, self.graph = ledger, graph
        self.origins = origins
        self.caller = Caller(pool, ledger.clock, listener, ledger.run)
        self.verdicts = Verdicts(ledger, self.caller)
        self.targets = Targets(graph, ledger.records, ledger.session.lineage)

    def execute(self, change: Change, facts: Facts) -> Outcome:
        """Do it, whatever it is."""
        record = self.ledger.records.get(change.address)
        if change.action is Action.MOVE or change.moved_from:
            record = self._move(change)
            if change.action is Action.MOVE:
                return Outcome(Result.DONE, record=record)
        if change.action is Action.FORGET:
            return self._forget(change, record)
        if change.action is Action.REUSE and record:
            return self._reuse(change, record)
        if not change.in_world:
            return self._record_only(change, record, facts)
        if change.action is Action.DELETE and record:
            return self._delete(change, record)
        if change.action is Action.REPLACE and record:
            gone = self._delete(change, record, keeps_row=True)
            if gone.result is not Result.DONE:
                return gone
            record = self.ledger.records[change.address]
        return self._bring_about(change, record, facts)

    def resume(self, record: Record) -> Outcome:
        """Go on with an operation that has no verdict yet: poll it, or find out if it was sent."""
        pending = record.pending
        if pending is None:
            return Outcome(Result.DONE, record=record)
        if pending.sent:
            return self.poll(record)
        if pending.promotes:
            return self._promote_again(record)
        if pending.action not in (Action.CREATE.value, Action.REPLACE.value, Action.RUN.value):
            return self._drop_intent(record)
        adapter = self.caller.adapter(record)
        if adapter.capabilities.idempotency is Idempotency.NONE:
            return Outcome(Result.DECISION, both_ways_out(record), record)
        self.caller.settle(record)
        target = self._pending_target(record)
        return self.verdicts.of(record, lambda: self.caller.create(record, target, pending.key))

    def poll(self, record: Record) -> Outcome:
        """Bring a running operation on by one look."""
        pending = record.pending
        if pending is None:
            raise AssertionError("only a pending operation can be polled")
        if why := why_taken_back(record):
            return self._take_back(record, why)
        adapter = self.caller.adapter(record)
        operation = operation_from_json(pending.operation)
        target = self._pending_target(record)
        return self.verdicts.of(
            record, lambda: self.caller.call(record, adapter.poll, target, operation)
        )

    def _bring_about(self, change: Change, record: Record | None, facts: Facts) -> Outcome:
        """Create, update, adopt, promote or run: whatever leads to a spec that holds."""
        resource = self.graph.resources[change.address]
        number = revision_number(change, record)
        target = self.targets.declared(resource, spec=change.desired, revision=number)
        key = operation_key(self.ledger.session.lineage, change, serial=self.ledger.session.serial)
        provider = resource.provider.name if resource.provider else ""
        if number is not None:
            target = replace(target, fingerprint=change.fingerprint)
        record = record or Record(change.address, created_at="")
        record = replace(record, provider=provider)
        promotes = self._promised(change, target, facts)
        target = replace(target, canary=promotes.get("canary", {}))
        pending = Pending(
            action=change.action.value,
            key=key,
            plan_id=self.ledger.run,
            spec=change.desired,
            inputs=self._inputs(change, target, facts),
            fingerprint=change.fingerprint or digest(change.desired),
            revision=number,
            attempt=change.attempt,
            reason=change.reason,
            since=self.ledger.now(),
            promotes=promotes,
        )
        given = record.digest if promotes else facts.given
        record = self._described(record, change.address, given)
        likely = change.estimate.cost if change.estimate else None
        record = self.ledger.intend(record, pending, cost=likely.likely if likely else None)
        return self.verdicts.of(record, lambda: self._ask(change, record, target, key))

    def _ask(self, change: Change, record: Record, target: Target, key: str) -> Operation:
        adapter = self.caller.adapter(record)
        if change.action in (Action.CREATE, Action.REPLACE, Action.RUN):
            return self.caller.create(record, target, key)
        observed = self.caller.call(record, adapter.observe, target, change.external_id or None)
        if observed is None:
            raise PermanentError(f"{change.external_id} is gone", address=str(change.address))
        operation = Operation(key, external_id=observed.external_id, outputs=observed.outputs)
        if change.action is Action.ADOPT and isinstance(adapter, SupportsAdopt):
            operation = self.caller.call(record, adapter.adopt, target, observed, key)
        changes = self._told(change)
        if changes:
            return self.caller.call(record, adapter.update, target, observed, changes, key)
        return operation

    def _promote_again(self, record: Record) -> Outcome:
        """The answer to a promotion was lost; asked again, the same one goes on."""
        if why := why_taken_back(record):
            return self._take_back(record, why)
        pending = record.pending
        if pending is None:
            raise AssertionError("only a pending promotion is asked for again")
        target = self._pending_target(record)
        return self.verdicts.of(record, lambda: self._switch(record, target, key=pending.key))

    def _take_back(self, record: Record, why: str) -> Outcome:
        """End a promotion that a person has rejected: what served before serves again."""
        pending = record.pending
        if pending is None:
            raise AssertionError("only a pending promotion is taken back")
        target = replace(self._pending_target(record), canary={})
        target = replace(target, spec=record.spec, inputs=self.targets.recorded(record).inputs)

        def ask() -> Operation:
            operation = self._switch(record, target, key=f"{pending.key}-back")
            if operation.status is OperationStatus.SUCCEEDED:
                return operation.with_status(OperationStatus.FAILED, refused=why)
            return operation

        return self.verdicts.of(record, ask)

    def _switch(self, record: Record, target: Target, *, key: str) -> Operation:
        """Give a standing object the spec of the target, in the fields that a promotion moves."""
        adapter, pending = self.caller.adapter(record), record.pending
        observed = self.caller.call(record, adapter.observe, target, record.external_id or None)
        if observed is None or pending is None:
            raise PermanentError(f"{record.external_id} is gone", address=str(record.address))
        policy = marked_paths(type(self.graph.resources[record.address].spec), "policy") if (
            record.address in self.graph.resources
        ) else frozenset[str]()  # fmt: skip
        moved = tuple(
            field for field in compare(record.spec, pending.spec) if not covers(policy, field.path)
        )
        return self.caller.call(record, adapter.update, target, observed, moved, key)

    def _told(self, change: Change) -> tuple[FieldChange, ...]:
        """The fields a provider hears of: policies are for loopwright alone."""
        policy = marked_paths(type(self.graph.resources[change.address].spec), "policy")
        return tuple(field for field in change.fields if not covers(policy, field.path))

    def _delete(self, change: Change, record: Record, *, keeps_row: bool = False) -> Outcome:
        """Remove the remote object unless it is kept; of a replace the row stays."""
        key = operation_key(
            self.ledger.session.lineage,
            replace(change, action=Action.DELETE),
            serial=self.ledger.session.serial,
        )
        record = self._stopped(record)
        if remote_objects(record) and not change.keeps_remote:
            record = self.ledger.intend(
                record,
                Pending(
                    "delete",
                    key,
                    self.ledger.run,
                    spec=change.desired if keeps_row else {},
                    reason=change.reason,
                    since=self.ledger.now(),
                ),
            )
            try:
                operation = self._remove(record, key)
            except ProviderError as error:
                transient = isinstance(error, TransientError)
                return self.verdicts.fail(record, error.message, transient=transient)
            if operation.status is not OperationStatus.SUCCEEDED:
                return self.verdicts.take(record, operation)
        return self.verdicts.deleted(record, keeps_row=keeps_row)

    def _remove(self, record: Record, key: str) -> Operation:
        """Of a series: every revision, one after another."""
        adapter, target = self.caller.adapter(record), self.targets.recorded(record)
        operation = Operation(key)
        for external_id, revision in remote_objects(record).items():
            at = replace(target, revision=revision)
            observed = self.caller.call(record, adapter.observe, at, external_id)
            known = observed or Observed(external_id, record.spec, record.outputs)
            operation = self.caller.call(record, adapter.delete, at, known, key)
            if operation.status is not OperationStatus.SUCCEEDED:
                return replace(operation, external_id=external_id)
        return operation

    def _forget(self, change: Change, record: Record | None) -> Outcome:
        """Let go of it; a running operation is cancelled first where the provider can."""
        if record is None:
            return Outcome(Result.DONE)
        record = self._stopped(record)
        after = replace(record, retained=True, pending=None) if change.keeps_remote else None
        data = {"reason": change.reason}
        self.ledger.write("forgotten", after, address=record.address, data=data)
        return Outcome(Result.DONE, record=after)

    def _stopped(self, record: Record) -> Record:
        """Cancel what is being made of it where the provider can; what was made is known of."""
        pending = record.pending
        if pending is None or not pending.sent or pending.action == Action.DELETE.value:
            return record
        adapter, operation = self.caller.adapter(record), operation_from_json(pending.operation)
        if isinstance(adapter, SupportsCancel):
            self.caller.call(record, adapter.cancel, self._pending_target(record), operation)
        if pending.revision is None:
            return replace(record, external_id=record.external_id or operation.external_id)
        return cancelled(record, operation, now=self.ledger.now())

    def _reuse(self, change: Change, record: Record) -> Outcome:
        """Point at an earlier run that had the same fingerprint: nothing is run."""
        same = next(
            found
            for found in reversed(record.revisions)
            if found.fingerprint == change.fingerprint and not found.error
        )
        after = replace(
            record,
            current=same.number,
            external_id=same.external_id,
            outputs=same.outputs,
            fingerprint=same.fingerprint,
            digest=str(same.outputs.get("digest") or same.fingerprint),
            inputs=same.inputs,
            spec=change.desired,
            hold=None,
            updated_at=self.ledger.now(),
        )
        after = self._described(after, change.address, after.digest)
        data = {"action": "reuse", "revision": same.number}
        self.ledger.write("verdict", after, address=record.address, data=data)
        return Outcome(Result.DONE, record=after)

    def _record_only(self, change: Change, record: Record | None, facts: Facts) -> Outcome:
        """Config kinds, and fields that are for loopwright alone: no provider is asked."""
        if change.action is Action.DELETE:
            self.ledger.write("record", None, address=change.address, data={"action": "delete"})
            return Outcome(Result.DONE)
        now = self.ledger.now()
        made = record or Record(change.address, created_at=now)
        made = replace(made, spec=change.desired, updated_at=now, pending=None)
        resource = self.graph.resources[change.address]
        if resource.nature is Nature.STANDING:
            target = self.targets.declared(resource, spec=change.desired)
            made = remembered(made, change.desired, fingerprint=change.fingerprint, now=now)
            inputs = self._inputs(change, target, facts)
            made = replace(made, inputs=inputs)
        elif not made.revisions:
            made = replace(made, fingerprint=change.fingerprint)
        made = with_outputs(made, change.outputs)
        made = self._described(made, change.address, facts.given)
        data = {"action": change.action.value, "reason": change.reason}
        self.ledger.write("record", made, address=change.address, data=data)
        return Outcome(Result.DONE, record=made)

    def _move(self, change: Change) -> Record:
        """Give the record its new address, and the remote object its new owner tag."""
        old = change.moved_from
        record = self.ledger.records.get(old) if old else None
        if old is None or record is None:
            return self.ledger.records[change.address]
        moved = replace(record, address=change.address, updated_at=self.ledger.now())
        adapter = self.caller.adapter(moved) if moved.provider and moved.external_id else None
        if isinstance(adapter, SupportsAdopt):
            target = self.targets.recorded(moved)
            observed = self.caller.call(moved, adapter.observe, target, moved.external_id)
            if observed is not None:
                key = operation_key(self.ledger.session.lineage, change, serial=0)
                self.caller.call(moved, adapter.adopt, target, observed, key)
        self.ledger.rename(old, moved)
        return moved

    def _drop_intent(self, record: Record) -> Outcome:
        """Updates and deletes are safe to plan again: what the world shows decides."""
        after = replace(record, pending=None)
        data = {"status": "unknown", "message": "no answer was recorded; planned again"}
        self.ledger.write("verdict", after, address=record.address, data=data)
        return Outcome(Result.DONE, record=after)

    def _promised(self, change: Change, target: Target, facts: Facts) -> dict[str, Any]:
        resource = self.graph.resources[change.address]
        promotion = resource.promotion()
        if change.action is not Action.PROMOTE or promotion is None:
            return {}
        pointed = target.inputs[f"{promotion.field}.model"]
        return promised(resource, change, pointed, given=facts.given)

    def _inputs(self, change: Change, target: Target, facts: Facts) -> dict[str, str]:
        """Of a promoted field: the revision it points at, not what the manifest says."""
        resource = self.graph.resources[change.address]
        promotion = resource.promotion()
        pointed = target.inputs.get(f"{promotion.field}.model") if promotion else None
        if promotion is None or pointed is None or f"{promotion.field}.model" in facts.inputs:
            return dict(facts.inputs)
        kept = {
            path: value
            for path, value in facts.inputs.items()
            if path.partition(".")[0] != promotion.field
        }
        return {**kept, f"{promotion.field}.model": pointed.digest}

    def _described(self, record: Record, address: Address, given: str) -> Record:
        resource = self.graph.resources[address]
        return described(
            record,
            resource,
            self.graph.needs(address),
            given=given,
            origin=self.origins.get(address, ""),
        )

    def _pending_target(self, record: Record) -> Target:
        pending = record.pending
        spec = pending.spec if pending and pending.spec else record.spec
        resource = self.graph.resources.get(record.address)
        number = pending.revision if pending else None
        if resource is not None:
            target = self.targets.declared(resource, spec=spec, revision=number)
        else:
            target = replace(self.targets.recorded(record, spec), revision=number)
        if pending and pending.promotes:
            return replace(target, canary=pending.promotes["canary"])
        return replace(target, fingerprint=pending.fingerprint) if pending and number else target
