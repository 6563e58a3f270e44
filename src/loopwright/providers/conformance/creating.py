"""Rules about making, changing and removing objects."""

from __future__ import annotations

from collections.abc import Sequence

from loopwright.providers.base import FieldChange, Idempotency, Observed, OperationStatus, Target
from loopwright.providers.conformance.bench import Trial
from loopwright.providers.conformance.comparing import (
    covered,
    differences,
    fields_of,
    in_place,
    leaves,
)
from loopwright.providers.conformance.findings import Unjudged, must


def capabilities_are_consistent(trial: Trial) -> None:
    """What the factory says of a kind names fields that it has, and holds of the built provider."""
    static = trial.bench.factory.capabilities[trial.kind]
    adapter = trial.bench.provider.adapters.get(trial.kind)
    must(adapter is not None, "the factory lists the kind, but the provider has no adapter for it")
    fields = fields_of(trial.kind)
    for name in ("updatable", "write_only"):
        unknown = sorted((getattr(static, name) or frozenset()) - fields.names)
        must(not unknown, f"{name} names {', '.join(unknown)}, which the kind has not")
    fixed = sorted((static.updatable or frozenset()) & (fields.immutable | fields.local))
    must(not fixed, f"updatable names {', '.join(fixed)}, which can never change in place")
    for name in ("updatable", "write_only", "can_delete", "manual_steps"):
        built = getattr(trial.capabilities, name)
        must(built == getattr(static, name), f"{name} is another once the provider is built")


def a_create_ends_in_success(trial: Trial) -> None:
    """A create of something valid begins at once and ends by itself in success, with an id."""
    target = trial.target()
    ended = trial.finished(target, trial.begun(target, trial.key()))
    must(ended.status is OperationStatus.SUCCEEDED, f"it is {ended.status}: {ended.message}")
    must(bool(ended.external_id), "it has no external id")


def settling_is_honoured(trial: Trial) -> None:
    """What was made is observed, ready, after the kind's settling time at the latest."""
    target = trial.target()
    made = trial.made(target)
    found = trial.settled(target, made.external_id)
    must(found is not None, f"not observed {trial.capabilities.settling} after it was made")
    assert found is not None
    must(found.external_id == made.external_id, f"observed under the id {found.external_id}")
    must(found.ready, f"observed as not ready: {found.status}")


def what_is_observed_is_what_was_declared(trial: Trial) -> None:
    """Declared fields that are told back are told as they were declared, in normal form."""
    target = trial.target()
    found = trial.seen(target, trial.made(target).external_id)
    fields = fields_of(trial.kind)
    besides = fields.local | fields.write_only | trial.capabilities.write_only
    wrong = differences(target.spec, found.spec, besides=besides)
    must(not wrong, "; ".join(wrong))


def the_same_key_makes_one_object(trial: Trial) -> None:
    """A create repeated with its key gives the same operation and never a second object."""
    if trial.capabilities.idempotency is Idempotency.NONE:
        raise Unjudged("the provider honours neither keys nor tags")
    target, key = trial.target(), trial.key()
    first = trial.finished(target, trial.begun(target, key))
    trial.settled(target, first.external_id)
    second = trial.finished(target, trial.begun(target, key))
    must(
        first.external_id == second.external_id,
        f"the first gave {first.external_id}, the second {second.external_id}",
    )
    must(first.status == second.status, f"the first is {first.status}, then {second.status}")


def an_update_changes_the_named_fields_alone(trial: Trial) -> None:
    """An update changes what it is told to, in place, and nothing else of the edited spec."""
    target = trial.target()
    edited = trial.edited(target)
    changes = in_place(trial.kind, trial.capabilities, target.spec, edited.spec)
    if not changes:
        raise Unjudged("the sample's edit has no field that changes in place")
    first = changes[0].path.partition(".")[0]
    alone = [change for change in changes if covered(change.path, frozenset({first}))]
    found = trial.seen(target, trial.made(target).external_id)
    for named in (alone, changes):
        found = _updated(trial, edited, found, named)


def deleting_twice_succeeds(trial: Trial) -> None:
    """A deleted object is surely absent, and deleting it again succeeds."""
    if not trial.capabilities.can_delete:
        raise Unjudged("the provider cannot delete this kind")
    target = trial.target()
    found = trial.seen(target, trial.made(target).external_id)
    for attempt in ("once", "twice"):
        deleted = trial.finished(target, trial.adapter.delete(target, found, trial.key()))
        must(
            deleted.status is OperationStatus.SUCCEEDED,
            f"deleted {attempt}, it is {deleted.status}: {deleted.message}",
        )
    left = trial.settled(target, found.external_id)
    must(left is None, "it is still observed")


def _updated(
    trial: Trial, edited: Target, before: Observed, changes: Sequence[FieldChange]
) -> Observed:
    """Make the changes and look. Broken when anything is not as it must be."""
    said = ", ".join(change.path for change in changes)
    begun = trial.adapter.update(edited, before, changes, trial.key())
    ended = trial.finished(edited, begun)
    must(
        ended.status is OperationStatus.SUCCEEDED,
        f"changing {said}: it is {ended.status}: {ended.message}",
    )
    after = trial.seen(edited, before.external_id)
    old, new = dict(leaves(before.spec)), dict(leaves(after.spec))
    for path, value in (old | {change.path: change.after for change in changes}).items():
        told = path.partition(".")[0] in before.spec.keys() | after.spec.keys()
        must(
            not told or new.get(path) == value,
            f"changing {said}: {path} is then {new.get(path)!r} instead of {value!r}",
        )
    return after


CHECKS = (
    capabilities_are_consistent,
    a_create_ends_in_success,
    settling_is_honoured,
    what_is_observed_is_what_was_declared,
    the_same_key_makes_one_object,
    an_update_changes_the_named_fields_alone,
    deleting_twice_succeeds,
)
