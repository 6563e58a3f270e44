"""How a promoted pointer moves: what an operation is to bring about, and what became of it.

The pointer moves when the operation has succeeded, not before: a canary that goes back leaves it
where it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from loopwright.hashing import digest
from loopwright.planning.change import Change
from loopwright.planning.decisions import is_known, why_rejected, with_decision
from loopwright.providers.base import Resolved
from loopwright.resources.base import Resource
from loopwright.state.records import Pending, Record


def promised(
    resource: Resource, change: Change, pointed: Resolved, *, given: str
) -> dict[str, Any]:
    """What a promotion writes down before it begins: all that a restart needs to end it."""
    promotion = resource.promotion()
    if promotion is None:
        return {}
    return {
        "value": change.desired[promotion.field],
        "digest": pointed.digest,
        "declared": digest(resource.desired().get(promotion.field)),
        "verdict": change.reason,
        "given": given,
        "canary": dict(promotion.canary),
        "evidence": dict(change.evidence),
    }


def taken_over(record: Record, pending: Pending, *, now: str) -> Record:
    """The record once the candidate serves every call."""
    promotes = pending.promotes
    pointer = {name: promotes[name] for name in ("value", "digest", "declared", "verdict")}
    decided = {**promotes["evidence"], "decision": "promoted", "at": now}
    promoted = with_decision({**record.promoted, **pointer, "at": now}, decided)
    return replace(record, promoted=promoted, digest=promotes["given"])


def turned_down(record: Record, reason: str, *, now: str) -> Record:
    """The record once the canary went back: the candidate stays out, all else is as before."""
    promotes = record.pending.promotes if record.pending else {}
    candidate = promotes["digest"]
    promoted = dict(record.promoted)
    if candidate not in promoted.get("rejected", ()):
        promoted["rejected"] = sorted({*promoted.get("rejected", ()), candidate})
        decided = {
            **promotes["evidence"],
            "candidate": candidate,
            "decision": "rejected",
            "reason": reason,
            "by": "its canary",
            "at": now,
        }
        promoted = with_decision(promoted, decided)
    return replace(record, pending=None, promoted=promoted, updated_at=now)


def refused_now(record: Record, change: Change, *, now: str) -> Record | None:
    """The record with a refusal of its gate, and the numbers; None where it is known already."""
    decided = {**change.evidence, "decision": "refused", "at": now}
    if is_known(record, decided):
        return None
    return replace(record, promoted=with_decision(record.promoted, decided))


def why_taken_back(record: Record) -> str:
    """Why a promotion under way is to end: somebody rejected its candidate. Empty: nobody did."""
    promotes: Mapping[str, Any] = record.pending.promotes if record.pending else {}
    if not promotes or promotes["digest"] not in record.promoted.get("rejected", ()):
        return ""
    return why_rejected(record, promotes["digest"]) or "rejected by hand"
