"""The records of a pass in memory, and how they are written: intent before, verdict after."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from loopwright.clock import Clock, to_text
from loopwright.engine.promoting import taken_over
from loopwright.hashing import digest
from loopwright.planning.change import Action, Change
from loopwright.planning.promotion import asked_spec
from loopwright.providers.base import Operation, OperationStatus, Progress
from loopwright.resources.address import Address
from loopwright.resources.base import Resource
from loopwright.state.records import (
    Condition,
    Generation,
    Pending,
    Record,
    Revision,
    RunStatus,
)
from loopwright.state.store import Entry, StateSession

_GENERATIONS_KEPT = 10


def operation_key(lineage: str, change: Change, *, serial: int) -> str:
    """The idempotency key of a change, made by the engine.

    The same change of the same state gives the same key, whatever process asks; another
    attempt, revision or spec gives another one.
    """
    return digest(
        [
            lineage,
            str(change.address),
            change.action.value,
            change.fingerprint,
            change.revision,
            change.attempt,
            serial,
        ]
    ).removeprefix("sha256:")[:32]


class Ledger:
    """What this pass knows and has durably written. Thread-safe."""

    def __init__(self, session: StateSession, clock: Clock, run: str) -> None:
        self.session, self.clock, self.run = session, clock, run
        self.records: dict[Address, Record] = dict(session.records())
        self._lock = threading.Lock()

    def now(self) -> str:
        return to_text(self.clock.now())

    def write(
        self, kind: str, record: Record | None, *, address: Address, data: Mapping[str, Any]
    ) -> None:
        """One journal line and the row it is about, durable when this returns."""
        entry = Entry(kind, str(address), self.run, data)
        self.session.commit([entry], {address: record})
        with self._lock:
            if record is None:
                self.records.pop(address, None)
            else:
                self.records[address] = record

    def rename(self, old: Address, record: Record) -> None:
        """Move a row to another address."""
        entry = Entry("moved", str(record.address), self.run, {"from": str(old)})
        self.session.commit([entry], {old: None, record.address: record})
        with self._lock:
            self.records.pop(old, None)
            self.records[record.address] = record

    def note(self, kind: str, *, address: str = "", data: Mapping[str, Any]) -> None:
        """A journal line about no row."""
        self.session.commit([Entry(kind, address, self.run, data)])

    def intend(self, record: Record, pending: Pending, *, cost: float | None = None) -> Record:
        """Say what is about to be asked of the provider, and its likely cost, before it is."""
        record = replace(record, pending=pending, updated_at=self.now())
        data = {
            "action": pending.action,
            "key": pending.key,
            "revision": pending.revision,
            "reason": pending.reason,
            "cost": cost,
        }
        self.write("intent", record, address=record.address, data=_said(data))
        return record

    def begun(self, record: Record, operation: Operation) -> Record:
        """The provider took it and goes on with it by itself."""
        if record.pending is None:
            raise AssertionError("an operation begins with an intent")
        pending = replace(record.pending, sent=True, operation=operation_to_json(operation))
        record = replace(record, pending=pending, updated_at=self.now())
        data = {"status": operation.status.value, "external_id": operation.external_id}
        self.write("verdict", record, address=record.address, data=_said(data))
        return record


def operation_to_json(operation: Operation) -> dict[str, Any]:
    return asdict(operation) | {"status": operation.status.value}


def operation_from_json(data: Mapping[str, Any]) -> Operation:
    progress = data.get("progress")
    return Operation(
        **{
            **data,
            "status": OperationStatus(data["status"]),
            "progress": Progress(**progress) if progress else None,
        }
    )


def finished(record: Record, operation: Operation, *, now: str) -> Record:
    """The record after a pending operation has succeeded."""
    pending = record.pending
    if pending is None:
        raise AssertionError("only a pending operation can finish")
    if pending.revision is not None:
        record = _with_revision(record, pending, operation, now)
    else:
        record = _with_generation(record, pending, operation, now)
    if pending.promotes:
        record = taken_over(record, pending, now=now)
    return replace(
        record,
        pending=None,
        failures=0,
        last_error="",
        retained=False,
        spec=pending.spec,
        updated_at=now,
        created_at=record.created_at or now,
        conditions=conditions(record, now, ready=True),
    )


def _with_revision(record: Record, pending: Pending, operation: Operation, now: str) -> Record:
    revision = Revision(
        number=pending.revision or 1,
        fingerprint=pending.fingerprint,
        status=RunStatus.SUCCEEDED,
        external_id=operation.external_id,
        spec=pending.spec,
        inputs=pending.inputs,
        outputs=operation.outputs,
        reason=pending.reason,
        attempt=pending.attempt,
        started_at=pending.since,
        finished_at=now,
    )
    kept = tuple(found for found in record.revisions if found.number != revision.number)
    return replace(
        record,
        revisions=(*kept, revision),
        current=revision.number,
        external_id=operation.external_id,
        outputs=operation.outputs,
        fingerprint=pending.fingerprint,
        digest=str(operation.outputs.get("digest") or pending.fingerprint),
        inputs=pending.inputs,
        hold=None,
    )


def _with_generation(record: Record, pending: Pending, operation: Operation, now: str) -> Record:
    return replace(
        remembered(record, pending.spec, fingerprint=pending.fingerprint, now=now),
        external_id=operation.external_id or record.external_id,
        outputs={**record.outputs, **operation.outputs},
        inputs=pending.inputs,
    )


def remembered(record: Record, spec: Mapping[str, Any], *, fingerprint: str, now: str) -> Record:
    """The record of a standing resource that now has this spec; earlier ones serve rollbacks."""
    generations = record.generations
    if not generations or generations[-1].fingerprint != fingerprint:
        number = generations[-1].number + 1 if generations else 1
        made = Generation(number, fingerprint, spec, now)
        generations = (*generations, made)[-_GENERATIONS_KEPT:]
    return replace(record, spec=spec, fingerprint=fingerprint, generations=generations)


def without_objects(record: Record, only: str | None) -> Record:
    """The record once its remote objects, or one of them, are gone."""

    def is_gone(external_id: str) -> bool:
        return only in (None, external_id)

    revisions = tuple(
        replace(found, external_id="") if is_gone(found.external_id) else found
        for found in record.revisions
    )
    record = replace(record, pending=None, revisions=revisions)
    if not is_gone(record.external_id):
        return record
    return replace(record, external_id="", outputs={}, inputs={}, created_at="")


def failed(record: Record, error: str, *, transient: bool, now: str) -> Record:
    """The record after a pending operation has failed; what was in use stays in use."""
    pending = record.pending
    if pending is None:
        raise AssertionError("only a pending operation can fail")
    revisions = record.revisions
    if pending.revision is not None:
        tried = Revision(
            number=pending.revision,
            fingerprint=pending.fingerprint,
            status=RunStatus.FAILED,
            external_id=str(pending.operation.get("external_id", "")),
            spec=pending.spec,
            inputs=pending.inputs,
            reason=pending.reason,
            attempt=pending.attempt,
            error=error,
            transient=transient,
            started_at=pending.since,
            finished_at=now,
        )
        revisions = (*revisions, tried)
    return replace(
        record,
        pending=None,
        revisions=revisions,
        failures=record.failures + 1,
        last_error=error,
        updated_at=now,
        conditions=conditions(record, now, ready=False, reason="Failed", message=error),
    )


def cancelled(record: Record, operation: Operation, *, now: str) -> Record:
    """The record after a running run was stopped on purpose; what was in use stays in use."""
    pending = record.pending
    if pending is None or pending.revision is None:
        raise AssertionError("only a pending run can be cancelled")
    stopped = Revision(
        number=pending.revision,
        fingerprint=pending.fingerprint,
        status=RunStatus.CANCELLED,
        external_id=operation.external_id,
        spec=pending.spec,
        inputs=pending.inputs,
        reason=pending.reason,
        error="cancelled",
        started_at=pending.since,
        finished_at=now,
    )
    return replace(record, revisions=(*record.revisions, stopped))


def conditions(
    record: Record, now: str, *, ready: bool, reason: str = "", message: str = ""
) -> tuple[Condition, ...]:
    """Ready, Synced and Stalled; `since` moves only when a status does."""
    before = {condition.type: condition for condition in record.conditions}

    def told(name: str, status: bool) -> Condition:
        old = before.get(name)
        since = old.since if old and old.status == status else now
        return Condition(name, status, reason, message, since)

    in_use = ready or record.current is not None
    return told("Ready", in_use), told("Synced", ready), told("Stalled", not ready)


def described(
    record: Record, resource: Resource, needs: tuple[Address, ...], *, given: str, origin: str
) -> Record:
    """Facts of the manifest that a record keeps for when the manifest is gone."""
    hold = record.hold
    if hold and not resource.nature.is_run and hold.refused != digest(asked_spec(resource, record)):
        hold = None
    return replace(
        record,
        provider=resource.provider.name if resource.provider else "",
        dependencies=tuple(str(need) for need in needs),
        prevent_destroy=resource.lifecycle.prevent_destroy,
        keeps_remote=resource.keeps_remote,
        labels=resource.metadata.labels,
        origin=origin,
        digest=record.digest if resource.nature.is_run else given,
        retained=False,
        hold=hold,
    )


def revision_number(change: Change, record: Record | None) -> int | None:
    """The number of the revision that a run makes; None for what is not a run."""
    if change.action is not Action.RUN:
        return None
    return (record.newest.number if record and record.newest else 0) + 1


def _said(data: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in data.items() if value not in (None, "")}
