"""Decides whether a candidate takes over: a pure verdict on recorded scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from loopwright.hashing import digest
from loopwright.planning.change import Action, Change, Obstacle
from loopwright.planning.outlook import Outlook, revision_digest
from loopwright.planning.situation import Situation
from loopwright.providers.base import FieldChange
from loopwright.resources.address import Address
from loopwright.resources.base import Promotion, Resource
from loopwright.state.records import Record, Revision


@dataclass(frozen=True, slots=True)
class Verdict:
    """Passed, refused, or not yet decidable, with the numbers that say so."""

    passed: bool
    facts: tuple[str, ...] = ()
    missing: str = ""


def judge(promotion: Promotion, scores: Mapping[str, Any]) -> Verdict:
    """Hold scores against a gate. Scores are points, 0-100.

    `composite`; `capabilities` name -> {score}; `comparison` name -> {difference, low}, paired
    on the same items with the baseline, `low` its lower confidence bound.
    """
    facts, passed = [], True
    composite = scores.get("composite")
    if promotion.min_composite is not None:
        if composite is None:
            return Verdict(False, missing="the evaluation gave no composite score")
        ok = composite >= promotion.min_composite
        passed &= ok
        sign = ">=" if ok else "<"
        facts.append(f"composite {composite:.1f} {sign} {promotion.min_composite:g}")
    if promotion.max_regression is not None:
        comparison = scores.get("comparison")
        if not comparison:
            return Verdict(False, tuple(facts), "a result of the incumbent (spec.baseline)")
        for name, entry in sorted(comparison.items()):
            low = entry.get("low", entry["difference"])
            if low < -promotion.max_regression:
                passed = False
                facts.append(f"{name} falls by up to {-low:.1f} > {promotion.max_regression:g}")
        facts.append(f"{len(comparison)} capabilities compared with the incumbent")
    return Verdict(passed, tuple(facts))


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


def decide_promotion(
    situation: Situation,
    resource: Resource,
    change: Change,
    outlooks: Mapping[Address, Outlook],
) -> Change:
    """Turn a change of a promoted resource into promote or gated, where its gate says so.

    Asked last, when the outlook of its candidate and its evaluation is known.
    """
    promotion = resource.promotion()
    if promotion is None:
        return change
    if change.action is Action.CREATE:
        return _futures(change, promotion, f"the model by {promotion.candidate}")
    record = situation.record(resource.address)
    if record is None or change.action not in (Action.NOOP, Action.UPDATE):
        return change
    candidate = outlooks[promotion.candidate]
    evaluation = outlooks[promotion.eval_run]
    if candidate.stage:
        return _gated(change, promotion, f"the model by {promotion.candidate}", outlooks)
    job = situation.record(promotion.candidate)
    revision = job.current_revision if job else None
    if revision is None or candidate.digest in (record.promoted.get("digest"), ""):
        return change
    label = f"v{revision.number} of {promotion.candidate}"
    if candidate.digest in record.promoted.get("rejected", ()):
        return replace(change, reason=f"{label} was rejected")
    runs = situation.record(promotion.eval_run)
    result = runs.current_revision if runs else None
    is_open = bool(evaluation.stage) or not evaluation.digest
    if result is None or is_open or not _evaluated(situation, promotion, result, revision):
        return _gated(change, promotion, label, outlooks)
    return _judged(change, promotion, revision, judge(promotion, result.outputs), record)


def _judged(
    change: Change, promotion: Promotion, revision: Revision, verdict: Verdict, record: Record
) -> Change:
    label = f"v{revision.number} of {promotion.candidate}"
    facts = "; ".join(verdict.facts)
    if verdict.missing:
        return _gated(change, promotion, label, {}, waiting=verdict.missing)
    if not verdict.passed:
        return replace(change, reason=f"{label} is not promoted: {facts}")
    if promotion.manual and record.promoted.get("approved") != revision_digest(revision):
        gated = _gated(change, promotion, label, {})
        reason = f"passed ({facts}); loopwright approve {change.address}"
        return replace(gated, obstacle=Obstacle.DECISION, reason=reason)
    value = {"model": f"Model/{promotion.candidate.name}@{revision.number}"}
    before = change.desired.get(promotion.field)
    desired = {**change.desired, promotion.field: value}
    return replace(
        change,
        action=Action.PROMOTE,
        in_world=True,
        desired=desired,
        fingerprint=digest(desired),
        fields=(*change.fields, FieldChange(promotion.field, before, value)),
        revision=f"v{revision.number}",
        reason=facts or "no gate",
    )


def _evaluated(
    situation: Situation, promotion: Promotion, result: Revision, candidate: Revision
) -> bool:
    """Whether this result is of this candidate: the endpoint it looked at served it."""
    run = situation.resources.get(promotion.eval_run)
    if run is None:
        return False
    for link in situation.graph.links(promotion.eval_run):
        if link.path == "endpoint":
            endpoint = situation.record(link.target)
            if endpoint is None:
                return False
            serves = revision_digest(candidate) in endpoint.inputs.values()
            return serves and result.inputs.get("endpoint") == endpoint.digest
    return False


def _gated(
    change: Change,
    promotion: Promotion,
    candidate: str,
    outlooks: Mapping[Address, Outlook],
    *,
    waiting: str = "",
) -> Change:
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
