"""What an object looks like from outside at a moment: an observation, an operation, log lines.

Pure functions of the object and the time, so a poll after any restart tells the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from loopwright.providers.base import Observed, Operation, OperationStatus, Progress
from loopwright.providers.memory.contents import RemoteObject
from loopwright.providers.memory.fields import without
from loopwright.providers.memory.kinds import secret_paths

_POLL_SECONDS = 5.0


def observed(thing: RemoteObject, now: float) -> Observed | None:
    """None before the world shows the object."""
    if now < thing.seen_at:
        return None
    status = thing.status_at(now)
    done = status == "succeeded"
    return Observed(
        external_id=thing.id,
        spec=without(thing.spec, secret_paths(thing.kind)),
        outputs=thing.outputs if done else {},
        ready=done,
        status="ready" if done else status,
        owner=thing.owner,
    )


def brought_on(operation: Operation, thing: RemoteObject | None, now: float) -> Operation:
    """The operation as it stands. Without its object it failed: somebody removed that."""
    if thing is None:
        return operation.with_status(
            OperationStatus.FAILED,
            message=f"{operation.external_id} was removed by somebody",
            transient=True,
            progress=None,
        )
    status = OperationStatus(thing.status_at(now))
    if not status.is_terminal:
        return _running(operation, thing, now)
    return operation.with_status(
        status,
        outputs=thing.outputs if status is OperationStatus.SUCCEEDED else {},
        message=thing.message,
        transient=thing.transient,
        progress=None,
    )


def log_lines(thing: RemoteObject, now: float) -> Iterator[str]:
    """When it began, how far it is, how it ended."""
    yield f"{thing.kind} {thing.name} began as {thing.id}"
    if thing.ready_at > thing.created_at:
        done = min(now, thing.ready_at) - thing.created_at
        yield f"at work for {done:g} of {thing.ready_at - thing.created_at:g} s"
    status = thing.status_at(now)
    if status != "running":
        yield f"{status}{': ' + thing.message if thing.message else ''}"


def _running(operation: Operation, thing: RemoteObject, now: float) -> Operation:
    total, left = thing.ready_at - thing.created_at, thing.ready_at - now
    return replace(
        operation,
        status=OperationStatus.RUNNING,
        progress=Progress(total - left, total, "s", eta_seconds=left),
        poll_after=min(left, _POLL_SECONDS),
    )
