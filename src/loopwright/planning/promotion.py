"""Decides whether a candidate takes over, and what a promoted resource is to be. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from loopwright.graph import Graph
from loopwright.hashing import digest
from loopwright.planning.change import Action, Change, Obstacle
from loopwright.planning.decisions import who_approved, why_rejected
from loopwright.planning.gate import judge
from loopwright.planning.outlook import Outlook, find_revision, revision_digest, version_of
from loopwright.planning.situation import Situation
from loopwright.providers.base import FieldChange
from loopwright.resources.address import Address, Pointer
from loopwright.resources.base import Promotion, Resource
from loopwright.state.records import Record, Revision


def promoted_fields(resource: Resource, record: Record | None) -> Mapping[str, Any]:
    """What the promoted field is to be instead of what is declared; empty: as declared.

    Editing the declared field resets it; a rollback that still holds takes its place.
    """
    promotion = resource.promotion()
    pointer = _pointer(promotion, resource, record) if promotion else {}
    if promotion is None or not pointer:
        return {}
    held = _held_spec(resource, record)
    return {promotion.field: held[promotion.field]} if held else pointer


def asked_spec(resource: Resource, record: Record | None) -> dict[str, Any]:
    """The declared spec with the promoted pointer: what a rollback may refuse."""
    promotion = resource.promotion()
    pointer = _pointer(promotion, resource, record) if promotion else {}
    return resource.desired() | pointer


def effective_spec(resource: Resource, record: Record | None) -> dict[str, Any]:
    """What is asked for, or the rollback of it that still holds."""
    return _held_spec(resource, record) or asked_spec(resource, record)


def _pointer(promotion: Promotion, resource: Resource, record: Record | None) -> dict[str, Any]:
    if record is None or "value" not in record.promoted:
        return {}
    declared = digest(resource.desired().get(promotion.field))
    if record.promoted.get("declared") != declared:
        return {}
    return {promotion.field: record.promoted["value"]}


def _held_spec(resource: Resource, record: Record | None) -> dict[str, Any]:
    """The spec that a rollback went back to, as long as what it refused is still asked for."""
    hold = record.hold if record else None
    if hold is None or not hold.spec or hold.refused != digest(asked_spec(resource, record)):
        return {}
    return dict(hold.spec)


def pointed_digest(
    graph: Graph,
    resource: Resource,
    promoted: Mapping[str, Any],
    records: Mapping[Address, Record],
) -> str:
    """What the revision that a promoted pointer names gives to others; empty: it names none."""
    promotion = resource.promotion()
    if promotion is None or promotion.field not in promoted:
        return ""
    text = (promoted[promotion.field] or {}).get("model")
    if not text or not is_candidates(graph, promotion, text):
        return ""
    record = records.get(resource.address)
    if record and record.promoted.get("value") == promoted[promotion.field]:
        return str(record.promoted["digest"])
    label = Pointer.parse(text).revision
    revision = find_revision(records.get(promotion.candidate), label)
    return revision_digest(revision) if revision else ""


def is_candidates(graph: Graph, promotion: Promotion, text: str) -> bool:
    """Whether a pointer is to a model of the candidate's series."""
    series = graph.resources.get(promotion.candidate)
    return series is not None and Pointer.parse(text).address in series.provides()


def decide_promotion(
    situation: Situation,
    resource: Resource,
    changes: Mapping[Address, Change],
    outlooks: Mapping[Address, Outlook],
) -> Change:
    """Turn a change of a promoted resource into promote or gated, where its gate says so.

    Asked last, when the outlook of its candidate and its evaluation is known.
    """
    change, promotion = changes[resource.address], resource.promotion()
    if promotion is None:
        return change
    if change.action is Action.CREATE:
        return _futures(change, promotion, f"the model by {promotion.candidate}")
    record = situation.record(resource.address)
    if record is None or change.action not in (Action.NOOP, Action.UPDATE):
        return change
    candidate = outlooks[promotion.candidate]
    if candidate.stage:
        return _gated(change, promotion, f"the model by {promotion.candidate}", outlooks)
    job = situation.record(promotion.candidate)
    revision = job.current_revision if job else None
    if revision is None or candidate.digest in (record.promoted.get("digest"), ""):
        return change
    label = f"v{version_of(revision)} of {promotion.candidate}"
    if candidate.digest in record.promoted.get("rejected", ()):
        why = why_rejected(record, candidate.digest)
        return replace(change, reason=f"{label} was rejected{f': {why}' if why else ''}")
    asked = changes[promotion.eval_run]
    if asked.obstacle is Obstacle.FAILED:
        return replace(
            change, reason=f"{label} is not promoted: {promotion.eval_run}: {asked.reason}"
        )
    result = _result(situation, resource, revision, outlooks)
    if result is None:
        return _gated(change, promotion, label, outlooks)
    incumbent = outlooks[resource.address].digest
    return _judged(change, promotion, revision, result, record, incumbent=incumbent)


def _judged(
    change: Change,
    promotion: Promotion,
    candidate: Revision,
    result: Revision,
    record: Record,
    *,
    incumbent: str,
) -> Change:
    verdict = judge(promotion, result.outputs)
    version = version_of(candidate)
    label = f"v{version} of {promotion.candidate}"
    facts = "; ".join(verdict.facts)
    if verdict.missing:
        return _gated(change, promotion, label, {}, waiting=verdict.missing)
    value = {"model": f"Model/{promotion.candidate.name}@{version}"}
    evidence = {
        "candidate": revision_digest(candidate),
        "revision": version,
        "incumbent": incumbent,
        "suite": result.inputs.get("suite", ""),
        "evalRun": str(promotion.eval_run),
        "evalRevision": version_of(result),
        "facts": list(verdict.facts),
        **verdict.numbers,
    }
    if not verdict.passed:
        refused = f"{label} is not promoted: {facts}"
        return replace(change, reason=refused, evidence=evidence)
    approved = record.promoted.get("approved") == revision_digest(candidate)
    if promotion.manual and not approved and change.action is Action.UPDATE:
        return _futures(change, promotion, label)
    if promotion.manual and not approved:
        gated = _gated(change, promotion, label, {})
        reason = f"passed ({facts or 'no gate'}); loopwright approve {change.address}"
        return replace(gated, obstacle=Obstacle.DECISION, reason=reason)
    if promotion.canary and change.action is Action.UPDATE:  # only the model may go back
        return replace(change, reason=f"{change.reason}; {label} takes over after that")
    if promotion.manual:
        evidence["approvedBy"] = who_approved(record, revision_digest(candidate))
    before = change.desired.get(promotion.field)
    desired = {**change.desired, promotion.field: value}
    return replace(
        change,
        action=Action.PROMOTE,
        in_world=True,
        desired=desired,
        fingerprint=digest(desired),
        fields=(*change.fields, FieldChange(promotion.field, before, value)),
        revision=f"v{version}",
        reason=facts or "no gate",
        evidence=evidence,
    )


def _result(
    situation: Situation,
    resource: Resource,
    candidate: Revision,
    outlooks: Mapping[Address, Outlook],
) -> Revision | None:
    """The evaluation of this very candidate; beside the model that serves now, where the run
    compares with this resource. None while there is none, or another is under way."""
    promotion = resource.promotion()
    runs = situation.record(promotion.eval_run) if promotion else None
    result = runs.current_revision if runs else None
    if promotion is None or result is None:
        return None
    evaluation = outlooks[promotion.eval_run]
    if evaluation.stage or not evaluation.digest:
        return None
    served = {
        link.path: outlooks[link.target].digest
        for link in situation.graph.links(promotion.eval_run)
        if link.compares and link.target == resource.address
    }
    wanted = {"endpoint": revision_digest(candidate), **served}
    return result if all(result.inputs.get(at) == one for at, one in wanted.items()) else None


def _gated(
    change: Change,
    promotion: Promotion,
    candidate: str,
    outlooks: Mapping[Address, Outlook],
    *,
    waiting: str = "",
) -> Change:
    if change.action is Action.UPDATE:  # what the evaluation compares with may depend on it
        return _futures(change, promotion, candidate)
    before = [
        address
        for address in (promotion.candidate, promotion.eval_run)
        if address in outlooks and outlooks[address].stage
    ]
    stage = 1 + max((outlooks[address].stage for address in before), default=0)
    gated = replace(
        change,
        action=Action.GATED,
        obstacle=Obstacle.GATE,
        stage=stage,
        after=tuple(before),
        reason=f"waits for {waiting or promotion.eval_run}",
    )
    return _futures(gated, promotion, candidate)


def _futures(change: Change, promotion: Promotion, candidate: str) -> Change:
    bounds = []
    if promotion.min_composite is not None:
        bounds.append(f"composite >= {promotion.min_composite:g}")
    if promotion.max_regression is not None:
        bounds.append(f"no capability falls by more than {promotion.max_regression:g}")
    condition = " and ".join(bounds) or "it has been evaluated"
    return replace(
        change,
        if_passed=f"{promotion.field} becomes {candidate} if {condition}",
        if_refused=f"{promotion.field} stays as it is",
    )
