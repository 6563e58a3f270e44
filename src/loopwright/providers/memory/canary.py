"""A model that takes over step by step in the fake cloud: a pure function of the time.

The object keeps its old spec and, beside it, what it is to become; whoever looks folds the two.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from loopwright.providers.base import Operation, OperationStatus, Progress
from loopwright.providers.memory.connection import Canary
from loopwright.providers.memory.contents import RemoteObject
from loopwright.resources.durations import parse_duration


def begun(
    thing: RemoteObject,
    after: RemoteObject,
    asked: Mapping[str, Any],
    steered: Canary,
    *,
    key: str,
    now: float,
) -> RemoteObject:
    """The object with a canary of what it is `after`. `asked` is `spec.promote.canary`."""
    plan = {
        "key": key,
        "spec": dict(after.spec),
        "outputs": dict(after.outputs),
        "steps": list(asked["steps"]),
        "interval": parse_duration(asked["interval"]),
        "limit": asked["maxErrorRate"],
        "rate": steered.error_rate,
        "from": steered.from_percent,
        "since": now,
    }
    return replace(thing, canary=plan)


def folded(thing: RemoteObject, now: float) -> RemoteObject:
    """The object as it is at a moment: what it became, once it serves every call."""
    if not thing.canary or now < _ends(thing) or _broken_at(thing) is not None:
        return thing
    return replace(thing, spec=thing.canary["spec"], outputs=thing.canary["outputs"])


def told(operation: Operation, thing: RemoteObject, now: float) -> Operation:
    """How a canary stands: at which share, back again, or done."""
    canary, broken, share = thing.canary, _broken_at(thing), _share(thing, now)
    if broken is not None and share >= broken:
        rates = f"{canary['rate'] * 100:.1f} % > {canary['limit'] * 100:g} %"
        refused = f"error rate {rates} at {broken:g} %"
        return operation.with_status(OperationStatus.FAILED, refused=refused, progress=None)
    if now >= _ends(thing):
        return operation.with_status(
            OperationStatus.SUCCEEDED, outputs=canary["outputs"], progress=None
        )
    rate = canary["rate"] if share >= canary["from"] else 0.0
    left = _ends(thing) - now
    return replace(
        operation,
        status=OperationStatus.RUNNING,
        progress=Progress(share, 100, "%", f"error rate {rate * 100:.1f} %", eta_seconds=left),
        poll_after=min(left, canary["interval"]),
    )


def _ends(thing: RemoteObject) -> float:
    canary = thing.canary
    return float(canary["since"] + len(canary["steps"]) * canary["interval"])


def _share(thing: RemoteObject, now: float) -> float:
    """Percent of the calls that the new model answers."""
    steps, interval = thing.canary["steps"], thing.canary["interval"]
    passed = int((now - thing.canary["since"]) // interval)
    return float(steps[passed]) if passed < len(steps) else 100.0


def _broken_at(thing: RemoteObject) -> float | None:
    """The first step at which too many calls fail."""
    canary = thing.canary
    if canary["rate"] <= canary["limit"]:
        return None
    return next((float(step) for step in canary["steps"] if step >= canary["from"]), None)
