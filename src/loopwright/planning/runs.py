"""Decides a run: start a revision, reuse one, wait, or leave it. Runs are never edited."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from loopwright.clock import from_text
from loopwright.planning.change import OUTPUTS, Action, Change, Drift, DriftClass, Obstacle, Unknown
from loopwright.planning.diff import compare
from loopwright.planning.outlook import ALIASED, fingerprint, version_of
from loopwright.planning.situation import Situation
from loopwright.planning.standing import Decision, because
from loopwright.providers.base import FieldChange, Observed
from loopwright.resources.address import Address
from loopwright.resources.base import Resource, SeriesSpec, marked_fields
from loopwright.resources.durations import parse_duration
from loopwright.state.records import Record, Revision, RunStatus


@dataclass(frozen=True, slots=True)
class _Context:
    situation: Situation
    resource: Resource
    record: Record | None
    inputs: Mapping[str, str]
    unknown: Mapping[str, Unknown]
    number: int
    base: Change


def decide_run(
    situation: Situation,
    resource: Resource,
    inputs: Mapping[str, str],
    unknown: Mapping[str, Unknown],
    *,
    number: int,
) -> Decision:
    """`inputs` are the decisive ones; with any of them unknown the fingerprint is too.

    `number` is what a new revision would be called.
    """
    address = resource.address
    files = situation.file_digests.get(address, {})
    record = situation.record(address)
    inputs = inputs if unknown else _as_compared(situation, resource, inputs, record)
    normal = situation.normal.get(address, {})
    known = "" if unknown else fingerprint(resource, inputs, files, normal)
    base = Change(
        address,
        Action.NOOP,
        fingerprint=known,
        desired=resource.desired(),
        estimate=situation.estimates.get(address),
        external_id=record.external_id if record else "",
        revision=label(version_of(record.newest) if record and record.newest else 0),
    )
    context = _Context(situation, resource, record, inputs, unknown, number, base)
    if str(address) in situation.selection.replaces:
        return Decision(_run(context, "asked for by --replace"))
    if not known:
        return Decision(_decide_unknown(context))
    return _decide_known(context)


def _as_compared(
    situation: Situation,
    resource: Resource,
    inputs: Mapping[str, str],
    record: Record | None,
) -> Mapping[str, str]:
    """The inputs as an earlier run had them, where all that became another since is that what it
    compared with has come to be what it looked at: that is where its verdict led."""
    same = {
        link.path
        for link in situation.graph.links(resource.address)
        if link.compares and inputs.get(link.path) == inputs.get(link.compares) is not None
    }
    files = situation.file_digests.get(resource.address, {})
    normal = situation.normal.get(resource.address, {})
    for revision in reversed(record.revisions if record and same else ()):
        then = {**inputs, **{path: revision.inputs.get(path, "") for path in same}}
        if (
            revision.status is RunStatus.SUCCEEDED
            and fingerprint(resource, then, files, normal) == revision.fingerprint
        ):
            return then
    return inputs


def _decide_unknown(context: _Context) -> Change:
    makers = sorted({unknown.by for unknown in context.unknown.values()})
    by = f"{', '.join(makers)} {'is' if len(makers) == 1 else 'are'} about to change"
    if context.record and context.record.current and not context.resource.trigger.on_change:
        return replace(context.base, reason="trigger.onChange is false")
    return _run(context, by if context.record and context.record.revisions else "new")


def _decide_known(context: _Context) -> Decision:
    record, base = context.record, context.base
    if record is None or not record.revisions:
        return _decide_first(context)
    hold = record.hold
    if hold and hold.refused == base.fingerprint:
        reason = f"held at {label(hold.revision or 0)} by {hold.by}: {hold.reason}"
        return Decision(replace(base, reason=reason))
    current = record.current_revision
    if current and current.fingerprint == base.fingerprint:
        return _decide_current(context, current)
    done = _finished(record, base.fingerprint)
    if done is not None and not context.resource.overwrites:
        shown = label(version_of(done))
        return Decision(
            replace(base, action=Action.REUSE, revision=shown, reason=f"{shown} is the same run")
        )
    newest = record.newest
    if newest and newest.fingerprint == base.fingerprint and _is_failed(newest):
        return Decision(_decide_failed(context, newest))
    if current and not context.resource.trigger.on_change:
        return _data_trigger(context, current) or Decision(
            replace(base, reason="the spec changed, but trigger.onChange is false")
        )
    return Decision(_run(context, _why_changed(context, current)))


def _decide_first(context: _Context) -> Decision:
    observed = context.situation.observed.get(context.resource.address)
    if observed and observed.outputs.get("fingerprint") == context.base.fingerprint:
        change = replace(
            context.base,
            action=Action.ADOPT,
            external_id=observed.external_id,
            reason=f"exists as {observed.external_id} and bears our owner tag",
        )
        return Decision(change)
    return Decision(_run(context, "new"))


def _decide_current(context: _Context, current: Revision) -> Decision:
    observed = context.situation.observed
    address = context.resource.address
    if address in observed and observed[address] is None and current.external_id:
        drift = Drift(address, DriftClass.GONE, before=current.external_id)
        reason = f"{label(version_of(current))} is gone: deleted outside"
        return Decision(_run(context, reason), (drift,))
    unready = _not_ready(address, observed.get(address))
    due = _data_trigger(context, current)
    if due is not None:
        return replace(due, drift=unready)
    if context.record and context.record.retained:
        change = replace(
            context.base, action=Action.UPDATE, in_world=False, reason="declared again"
        )
        return Decision(change, unready)
    edited = _policy_edits(context) + _named_otherwise(context, current)
    if edited:
        change = replace(
            context.base,
            action=Action.UPDATE,
            in_world=False,
            fields=edited,
            reason=because(edited),
        )
        return Decision(change, unready)
    return Decision(replace(context.base, revision=label(version_of(current))), unready)


def _not_ready(address: Address, observed: Observed | None) -> tuple[Drift, ...]:
    """A result that cannot be used as it is, e.g. a model whose files were tampered with."""
    if observed is None or observed.ready:
        return ()
    return (Drift(address, DriftClass.STATUS, note=observed.status or "not ready"),)


def _policy_edits(context: _Context) -> tuple[FieldChange, ...]:
    if context.record is None:
        return ()
    return tuple(compare(context.record.spec, context.base.desired))


def _named_otherwise(context: _Context, current: Revision) -> tuple[FieldChange, ...]:
    """People name versions at any time; our record follows."""
    observed = context.situation.observed.get(context.resource.address)
    told = observed.outputs.get(ALIASED) if observed else None
    before = current.outputs.get(ALIASED)
    if told is None or told == (before or {}):
        return ()
    return (FieldChange(f"{OUTPUTS}{ALIASED}", before, told),)


def _data_trigger(context: _Context, current: Revision) -> Decision | None:
    """`every` and `minNewCalls`: data as a cause for a new revision of the same spec."""
    trigger = context.resource.trigger
    if trigger.every:
        age = context.situation.now - from_text(current.finished_at or current.started_at)
        if age >= timedelta(seconds=parse_duration(trigger.every)):
            return Decision(
                _run(context, f"{label(version_of(current))} is older than {trigger.every}")
            )
    if trigger.min_new_calls and context.base.estimate and context.base.estimate.failed:
        return Decision(_unable(context, context.base, context.base.estimate.failed))
    arrived = context.base.estimate.new_calls if context.base.estimate else None
    if trigger.min_new_calls and arrived is not None and arrived >= trigger.min_new_calls:
        reason = f"+{arrived:,} calls since {label(version_of(current))}"
        return Decision(_run(context, reason))
    return None


def _decide_failed(context: _Context, failed: Revision) -> Change:
    spec = context.resource.spec
    limit = spec.attempts if isinstance(spec, SeriesSpec) else 3
    shown = label(failed.number)
    if failed.transient and failed.attempt < limit:
        reason = f"{shown} failed: {failed.error}; attempt {failed.attempt + 1} of {limit}"
        return replace(_run(context, reason), attempt=failed.attempt + 1)
    tried = f" after {failed.attempt} attempts" if failed.attempt > 1 else ""
    return replace(
        context.base,
        action=Action.WAIT,
        obstacle=Obstacle.FAILED,
        revision=shown,
        reason=f"{shown} failed{tried}: {failed.error}; try again with "
        f"--replace {context.resource.address}",
    )


def _run(context: _Context, reason: str) -> Change:
    estimate = context.base.estimate
    change = replace(
        context.base,
        action=Action.RUN,
        reason=reason,
        fields=_edits(context),
        revision=label(context.number),
        external_id="",
    )
    if estimate and estimate.failed:
        return _unable(context, change, estimate.failed)
    if estimate and estimate.waiting:
        return replace(
            change,
            action=Action.WAIT,
            obstacle=Obstacle.DATA,
            reason=f"{estimate.waiting}; {reason}",
        )
    return _within_budget(context, change)


def _unable(context: _Context, change: Change, why: str) -> Change:
    """What cannot be estimated could not be run either: the data or the spec is at fault."""
    origin = context.situation.origins.get(change.address)
    where = f" (wanted by {origin})" if origin else ""
    return replace(
        change,
        action=Action.WAIT,
        obstacle=Obstacle.FAILED,
        reason=f"cannot be estimated: {why}{where}",
    )


def _within_budget(context: _Context, change: Change) -> Change:
    budget = getattr(context.resource.spec, "budget", None)
    estimate = change.estimate
    if budget is None or estimate is None:
        return change
    for name in ("cost", "hours", "tokens"):
        bound, likely = getattr(budget, name), getattr(estimate, name)
        if bound is not None and likely is not None and likely.likely > bound:
            return replace(
                change,
                obstacle=Obstacle.BUDGET,
                reason=f"{name} about {likely.likely:,.6g} is over spec.budget.{name} "
                f"{bound:,.6g}; {change.reason}",
            )
    return change


def _why_changed(context: _Context, current: Revision | None) -> str:
    if current is None:
        return "new"
    edits = _edits(context)
    if edits:
        return because(edits)
    for path in sorted(current.inputs.keys() | context.inputs.keys()):
        if current.inputs.get(path) != context.inputs.get(path):
            return _pointed(context, path, was=current.inputs.get(path))
    return _why_beside(context)


def _why_beside(context: _Context) -> str:
    """What is neither in the spec nor refers to anything; earlier revisions do not keep it."""
    address = context.resource.address
    pins = context.situation.pins.get(address, {})
    if context.situation.file_digests.get(address, {}).keys() - pins.keys():
        return "its input files changed"
    if pins:
        return f"what {', '.join(pins)} stands for changed"
    return "its settings changed"


def _pointed(context: _Context, path: str, *, was: str | None) -> str:
    """What became of a reference, or of one made by what is read."""
    for link in context.situation.graph.links(context.resource.address):
        if link.is_through and link.path == path:
            how = "another version" if was else "a version now, and had none"
            return f"{link.target} has {how}: what this reads is drawn from it"
    return f"{path} points at something new"


def _edits(context: _Context) -> tuple[FieldChange, ...]:
    """What decides the result and was written otherwise when the current revision was made."""
    current = context.record.current_revision if context.record else None
    if current is None:
        return ()
    spec = type(context.resource.spec)
    skip = marked_fields(spec, "policy") | marked_fields(spec, "cosmetic")
    return tuple(
        change
        for change in compare(current.spec, context.base.desired)
        if change.path.partition(".")[0] not in skip
    )


def _finished(record: Record, wanted: str) -> Revision | None:
    for revision in reversed(record.revisions):
        if revision.fingerprint == wanted and revision.status is RunStatus.SUCCEEDED:
            return revision
    return None


def _is_failed(revision: Revision) -> bool:
    return revision.status in (RunStatus.FAILED, RunStatus.CANCELLED)


def label(number: int) -> str:
    return f"v{number}" if number else ""
