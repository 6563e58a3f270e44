"""What came of an operation, written down: done, running, waiting, failed, or for a person."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum

from loopwright.engine.calls import Caller
from loopwright.engine.ledger import (
    Ledger,
    failed,
    finished,
    operation_from_json,
    without_objects,
)
from loopwright.engine.promoting import turned_down
from loopwright.errors import AmbiguousError, ProviderError, TransientError
from loopwright.planning.change import Action
from loopwright.planning.doubt import both_ways_out
from loopwright.planning.removal import remote_objects
from loopwright.providers.base import Idempotency, Operation, OperationStatus, Progress
from loopwright.state.records import Pending, Record


class Result(Enum):
    """How a change ended, as far as this pass can tell."""

    DONE = "done"
    RUNNING = "running"
    FAILED = "failed"
    DECISION = "decision"
    WAITING = "waiting"
    REFUSED = "refused"
    """Of a promotion: its canary went back, or a person ended it."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one change, and what to say of it."""

    result: Result
    message: str = ""
    record: Record | None = None
    poll_after: float = 1.0
    manual_step: str = ""
    progress: Progress | None = None


class Verdicts:
    """Asks a provider and writes its answer into the ledger."""

    def __init__(self, ledger: Ledger, caller: Caller) -> None:
        self._ledger, self._caller = ledger, caller

    def of(self, record: Record, ask: Callable[[], Operation]) -> Outcome:
        """Ask, and write what came of it down."""
        try:
            operation = ask()
        except AmbiguousError as error:
            adapter = self._caller.adapter(record)
            if adapter.capabilities.idempotency is Idempotency.NONE:
                return Outcome(Result.DECISION, both_ways_out(record), record)
            return Outcome(Result.FAILED, _explained(error), record)  # the intent stays: look first
        except TransientError as error:
            return self.fail(record, _explained(error), transient=True)
        except ProviderError as error:
            return self.fail(record, _explained(error), transient=False)
        return self.take(record, operation)

    def take(self, record: Record, operation: Operation) -> Outcome:
        operation = self._without_secrets(operation)
        if operation.status is OperationStatus.RUNNING:
            if record.pending and not _same(record.pending, operation):
                record = self._ledger.begun(record, operation)
            return Outcome(
                Result.RUNNING,
                operation.message,
                record,
                operation.poll_after,
                operation.manual_step,
                operation.progress,
            )
        if operation.status is OperationStatus.SUCCEEDED:
            return self._succeed(record, operation)
        if operation.refused and record.pending and record.pending.promotes:
            return self._refuse(record, operation.refused)
        if operation.waiting:
            return self._wait(record, operation.waiting)
        message = operation.message or operation.status.value
        return self.fail(record, message, transient=operation.transient)

    def _without_secrets(self, operation: Operation) -> Operation:
        hide = self._caller.hide
        return replace(
            operation,
            message=hide(operation.message),
            waiting=hide(operation.waiting),
            refused=hide(operation.refused),
            manual_step=hide(operation.manual_step),
        )

    def _wait(self, record: Record, reason: str) -> Outcome:
        """Nothing went wrong; there was too little yet. No revision is made of it."""
        after = replace(record, pending=None, updated_at=self._ledger.now())
        kept = after if after.revisions or after.external_id else None
        data = {"status": "waiting", "message": reason}
        self._ledger.write("verdict", kept, address=record.address, data=data)
        return Outcome(Result.WAITING, reason, kept)

    def _refuse(self, record: Record, reason: str) -> Outcome:
        """What served before serves on; the candidate stays out, with the numbers."""
        promotes = record.pending.promotes if record.pending else {}
        after = turned_down(record, reason, now=self._ledger.now())
        version = promotes["evidence"].get("revision")
        data = {"status": "rejected", "action": "promote", "reason": reason, "revision": version}
        data |= {"evidence": promotes["evidence"]}
        self._ledger.write("verdict", after, address=after.address, data=data)
        return Outcome(Result.REFUSED, f"v{version} went back: {reason}", after)

    def _succeed(self, record: Record, operation: Operation) -> Outcome:
        pending = record.pending
        if pending and pending.action == Action.DELETE.value:
            gone = operation.external_id
            return self.deleted(record, keeps_row=bool(pending.spec), only=gone)
        done = finished(record, operation, now=self._ledger.now())
        data = {
            "status": "succeeded",
            "external_id": operation.external_id,
            "action": pending.action if pending else "",
            "revision": done.current or 0,
        }
        if pending and pending.promotes:
            evidence = pending.promotes["evidence"]
            data |= {"revision": evidence.get("revision", 0), "evidence": evidence}
            data |= {"reason": pending.promotes["verdict"]}
        self._ledger.write("verdict", done, address=done.address, data=data)
        return Outcome(Result.DONE, operation.message, done)

    def deleted(self, record: Record, *, keeps_row: bool, only: str = "") -> Outcome:
        """Its objects are gone, or `only` one of a series. The row goes with the last of them,
        unless the object is to be made again."""
        left = without_objects(record, only or None)
        after = left if keeps_row or remote_objects(left) else None
        data = {"status": "succeeded", "action": "delete", "external_id": record.external_id}
        self._ledger.write("verdict", after, address=record.address, data=data)
        return Outcome(Result.DONE, record=after)

    def fail(self, record: Record, message: str, *, transient: bool) -> Outcome:
        after = failed(record, message, transient=transient, now=self._ledger.now())
        data = {"status": "failed", "error": message, "transient": transient}
        self._ledger.write("verdict", after, address=after.address, data=data)
        return Outcome(Result.FAILED, message, after)


def _same(pending: Pending, operation: Operation) -> bool:
    """Whether state already says all that a restart needs of a running operation."""
    if not pending.sent:
        return False
    known = operation_from_json(pending.operation)
    if pending.promotes and _share(known) != _share(operation):
        return False  # a plan tells how far a canary is
    return (known.handle, known.external_id) == (operation.handle, operation.external_id)


def _share(operation: Operation) -> float | None:
    return operation.progress.done if operation.progress else None


def _explained(error: ProviderError) -> str:
    return f"{error.message}; {error.hint}" if error.hint else error.message
