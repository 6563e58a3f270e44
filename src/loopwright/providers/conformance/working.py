"""Rules about operations: after a restart, once they have ended, and when they are stopped."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import orjson

from loopwright.providers.base import (
    Idempotency,
    Operation,
    OperationStatus,
    Progress,
    SupportsCancel,
    Target,
)
from loopwright.providers.conformance.bench import Trial
from loopwright.providers.conformance.findings import Unjudged, must


def an_operation_survives_a_restart(trial: Trial) -> None:
    """Written as JSON and read by a provider built anew, an operation goes on to its end."""
    target = trial.target()
    begun = trial.begun(target, trial.key())
    adapter = trial.rebuilt()
    after = trial.finished(target, adapter.poll(target, _read(_written(begun))), adapter)
    straight = _ended(trial, target, begun)
    trial.settled(target, straight.external_id)
    if adapter.observe(target, straight.external_id) is None:
        raise Unjudged("what it makes ends with it; give a connection whose objects stay")
    _must_be_alike(after, straight)


def what_runs_can_be_polled_by_its_id(trial: Trial) -> None:
    """An operation of which only the external id is left can be polled: it was found by its tag."""
    if trial.capabilities.idempotency is Idempotency.NONE:
        raise Unjudged("the provider keeps no owner tags")
    target = trial.target()
    begun = trial.begun(target, trial.key())
    found = trial.seen(target, begun.external_id)
    known = Operation(begun.key, OperationStatus.RUNNING, found.external_id)
    ended = trial.finished(target, trial.adapter.poll(target, known))
    _must_be_alike(ended, _ended(trial, target, begun))


def an_end_is_final(trial: Trial) -> None:
    """Polling what has ended tells the same end again, also from a handle of the time before."""
    target = trial.target()
    begun = trial.begun(target, trial.key())
    ended = _ended(trial, target, begun)
    for operation in (ended, begun):
        again = trial.adapter.poll(target, operation)
        must(
            (again.status, again.external_id) == (ended.status, ended.external_id),
            f"it was {ended.status}, and is then {again.status}",
        )
        must(again.outputs == ended.outputs, "its outputs are others than before")


def a_cancelled_operation_stops(trial: Trial) -> None:
    """Cancelling what runs ends it as cancelled; what has ended already stays as it ended."""
    adapter, target = trial.adapter, trial.target()
    if not isinstance(adapter, SupportsCancel):
        raise Unjudged("the provider does not cancel this kind")
    begun = trial.begun(target, trial.key())
    ran = not begun.status.is_terminal
    stopped = trial.finished(target, adapter.cancel(target, begun))
    expected = OperationStatus.CANCELLED if ran else begun.status
    must(stopped.status is expected, f"it was {begun.status}, and is then {stopped.status}")


def _ended(trial: Trial, target: Target, begun: Operation) -> Operation:
    """Its end by the straight way; Unjudged when there is none."""
    ended = trial.finished(target, begun)
    if not ended.status.is_terminal:
        raise Unjudged("it does not end")
    return ended


def _must_be_alike(other: Operation, straight: Operation) -> None:
    must(other.status is straight.status, f"it is {other.status}, not {straight.status}")
    must(other.outputs == straight.outputs, "its outputs are others")


def _written(operation: Operation) -> bytes:
    return orjson.dumps(asdict(operation))


def _read(text: bytes) -> Operation:
    data: dict[str, Any] = orjson.loads(text)
    progress = data.pop("progress")
    status = OperationStatus(data.pop("status"))
    return Operation(status=status, progress=Progress(**progress) if progress else None, **data)


CHECKS = (
    an_operation_survives_a_restart,
    what_runs_can_be_polled_by_its_id,
    an_end_is_final,
    a_cancelled_operation_stops,
)
