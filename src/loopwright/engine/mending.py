"""What a person changes in the state on purpose: each a journal line and a row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from loopwright.clock import Clock, to_text
from loopwright.engine.reconcile import Reconciler
from loopwright.engine.workspace import Declared, Workspace
from loopwright.errors import DecisionNeededError, LoopwrightError, StateError
from loopwright.planning.change import DriftClass
from loopwright.planning.decisions import decisions, with_decision
from loopwright.planning.outlook import revision_digest, version_of
from loopwright.planning.plan import Selection
from loopwright.resources.address import Address
from loopwright.resources.base import Promotion
from loopwright.state.records import AcceptedDrift, Hold, Record, RunStatus
from loopwright.state.store import Entry, StateReader, StateSession

TAKEN_BACK = "what served before answers every call again"
"""Of a takeover that a person has ended."""


def recorded(state: StateReader, address: Address) -> Record:
    """The record of an address. Raises StateError when there is none."""
    record = state.record(address)
    if record is None:
        raise StateError(f"{address} is not recorded", hint="see `loopwright state list`")
    return record


def roll_back(
    session: StateSession,
    address: Address,
    to: int | None,
    *,
    by: str,
    reason: str,
    clock: Clock,
) -> str:
    """Point back at an earlier revision or spec; later passes respect it until a new edit.

    Raises LoopwrightError when there is nothing to go back to.
    """
    record = recorded(session, address)
    if record.pending and record.pending.promotes:
        raise DecisionNeededError(
            f"{address} is about to take over {_pointed(record.pending.promotes)}",
            hint=f"take that back with `loopwright reject {address}`",
        )
    if record.pending:
        raise DecisionNeededError(
            f"{address} is in the middle of {record.pending.action}",
            hint="let it finish with `loopwright apply --wait`, then roll back",
        )
    now = to_text(clock.now())
    after = (
        _earlier_revision(record, to, by=by, reason=reason, now=now)
        if record.revisions
        else _earlier_spec(record, to, by=by, reason=reason, now=now)
    )
    label = after.hold.revision if after.hold else None
    after = _told_of_promotion(after, label, by=by, reason=reason, now=now)
    data = {"revision": label, "reason": reason}
    session.commit([Entry("rolled-back", str(address), data=data, actor=by)], {address: after})
    if record.revisions:
        return f"{address} is at v{label} again. Nothing was run."
    return f"{address} is to be as in generation {label} again; the next apply brings it about."


def _earlier_revision(record: Record, to: int | None, *, by: str, reason: str, now: str) -> Record:
    done = [r for r in record.revisions if r.status is RunStatus.SUCCEEDED]
    earlier = [r for r in done if (r.number == to if to else r.number < (record.current or 0))]
    if not earlier:
        there = ", ".join(f"v{r.number}" for r in done) or "none"
        raise LoopwrightError(
            f"{record.address} has no {f'v{to}' if to else 'earlier revision'} to go back to",
            hint=f"revisions that succeeded: {there}",
        )
    chosen = earlier[-1]
    return replace(
        record,
        current=chosen.number,
        external_id=chosen.external_id,
        outputs=chosen.outputs,
        fingerprint=chosen.fingerprint,
        digest=str(chosen.outputs.get("digest") or chosen.fingerprint),
        inputs=chosen.inputs,
        hold=Hold(record.fingerprint, revision=chosen.number, by=by, reason=reason, since=now),
        updated_at=now,
    )


def _earlier_spec(record: Record, to: int | None, *, by: str, reason: str, now: str) -> Record:
    earlier = [g for g in record.generations[:-1] if to is None or g.number == to]
    if not earlier:
        there = ", ".join(str(g.number) for g in record.generations[:-1]) or "none"
        raise LoopwrightError(
            f"{record.address} has no {f'generation {to}' if to else 'earlier spec'} to go back to",
            hint=f"earlier generations: {there}",
        )
    chosen = earlier[-1]
    hold = Hold(record.fingerprint, chosen.spec, chosen.number, by, reason, now)
    return replace(record, hold=hold, updated_at=now)


def _told_of_promotion(
    record: Record, generation: int | None, *, by: str, reason: str, now: str
) -> Record:
    """Of a promoted resource, a rollback stands among the decisions on its candidates."""
    taken_over = [one for one in decisions(record) if one["decision"] == "promoted"]
    if not taken_over:
        return record
    decided = {
        "decision": "rolled back",
        "candidate": record.promoted.get("digest", ""),
        "revision": taken_over[-1].get("revision", "?"),
        "reason": reason,
        "facts": [f"generation {generation} is to serve again"],
        "by": by,
        "at": now,
    }
    return replace(record, promoted=with_decision(record.promoted, decided))


def accept_drift(
    workspace: Workspace,
    declared: Declared,
    session: StateSession,
    address: Address,
    path: str,
    *,
    until: datetime,
    by: str,
) -> str:
    """Accept what a field is now, until a moment. Raises LoopwrightError without such drift."""
    path = path.removeprefix("spec.")
    record = recorded(session, address)
    plan = Reconciler(workspace, declared).plan(Selection(targets=(str(address),)), session)
    found = [
        drift
        for drift in plan.drift
        if drift.address == address and drift.drift_class is DriftClass.OUTSIDE
    ]
    drift = next((item for item in found if item.path == path), None)
    if drift is None:
        there = ", ".join(item.path for item in found) or "none"
        raise LoopwrightError(
            f"{address} has no drift at {path}", hint=f"fields changed outside: {there}"
        )
    moment = to_text(until if until.tzinfo else until.replace(tzinfo=workspace.clock.now().tzinfo))
    accepted = AcceptedDrift(path, drift.after, moment, by)
    others = tuple(item for item in record.accepted_drift if item.path != path)
    after = replace(record, accepted_drift=(*others, accepted))
    entry = Entry("drift-accepted", str(address), data={"path": path, "until": moment}, actor=by)
    session.commit([entry], {address: after})
    return f"{address} {path} may stay {drift.after!r} until {moment[:10]}."


def move(session: StateSession, source: Address, target: Address, *, by: str, clock: Clock) -> str:
    """Rename a record. Raises StateError when the new address is taken or of another kind."""
    record = recorded(session, source)
    if session.record(target) is not None:
        raise StateError(f"{target} is recorded already", hint="forget it first: state rm")
    if source.kind != target.kind:
        raise StateError(f"{source} cannot become {target}: the kinds differ", hint="keep the kind")
    after = replace(record, address=target, updated_at=to_text(clock.now()))
    entry = Entry("moved", str(target), data={"from": str(source)}, actor=by)
    session.commit([entry], {source: None, target: after})
    return f"{source} is {target} now. Rename it in the manifests too."


def forget(session: StateSession, addresses: Sequence[Address], *, by: str) -> Iterator[str]:
    """Drop records; all of them are looked up before the first is dropped."""
    found = [recorded(session, address) for address in addresses]
    for record in found:
        entry = Entry("forgotten", str(record.address), data={"reason": "state rm"}, actor=by)
        session.commit([entry], {record.address: None})
        kept = f"; {record.external_id} stays as it is" if record.external_id else ""
        yield f"{record.address} is forgotten{kept}."


def decide(
    declared: Declared,
    session: StateSession,
    address: Address,
    *,
    approves: bool,
    by: str,
    reason: str,
    clock: Clock,
    ended: bool = False,
) -> str:
    """A person's word on the candidate of a promoted resource; passes respect it. `ended` says
    that its takeover was ended already.

    Raises LoopwrightError when nothing is up for promotion.
    """
    resource = declared.resources.get(address)
    promotion = resource.promotion() if resource else None
    if promotion is None:
        raise LoopwrightError(
            f"nothing is promoted to {address}", hint="only resources with spec.promote are asked"
        )
    record = recorded(session, address)
    chosen, version = _up_for_promotion(session, record, promotion, approves=approves)
    promoted = dict(record.promoted)
    if approves:
        promoted["approved"] = chosen
        promoted["rejected"] = [known for known in promoted.get("rejected", ()) if known != chosen]
    else:
        promoted["rejected"] = sorted({*promoted.get("rejected", ()), chosen})
    now, kind = to_text(clock.now()), "approved" if approves else "rejected"
    decided = {"decision": kind, "candidate": chosen, "revision": version, "reason": reason}
    promoted = with_decision(promoted, {**decided, "by": by, "at": now})
    after = replace(record, promoted=promoted, updated_at=now)
    data = {"revision": version, "reason": reason}
    session.commit([Entry(kind, str(address), data=data, actor=by)], {address: after})
    label = f"v{version} of {promotion.candidate}"
    if approves:
        return f"{label} is approved; the next apply promotes it if its gate is passed."
    if record.pending and record.pending.promotes:
        return f"{label} is rejected; {TAKEN_BACK if ended else 'the next apply takes it back'}."
    return f"{label} is rejected; it stays out."


def _up_for_promotion(
    session: StateSession, record: Record, promotion: Promotion, *, approves: bool
) -> tuple[str, int]:
    """Digest and version of what is taking over, or could. Raises LoopwrightError without one."""
    if record.pending and (promotes := record.pending.promotes):
        if approves:
            raise LoopwrightError(
                f"{_pointed(promotes)} is taking over {record.address} already",
                hint="`loopwright apply --wait` sees it through; `loopwright reject` takes it back",
            )
        return str(promotes["digest"]), int(promotes["evidence"].get("revision", 0))
    candidate = recorded(session, promotion.candidate).current_revision
    if candidate is None or revision_digest(candidate) == record.promoted.get("digest"):
        raise LoopwrightError(
            f"{promotion.candidate} has no model that is not serving already",
            hint="`loopwright history` tells what was decided before",
        )
    return revision_digest(candidate), version_of(candidate)


def _pointed(promotes: Mapping[str, Any]) -> str:
    return ", ".join(map(str, promotes["value"].values()))
