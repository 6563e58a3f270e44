"""Rules about observing, listing, owner tags and adoption."""

from __future__ import annotations

from dataclasses import replace

from loopwright.errors import ProviderError
from loopwright.providers.base import Idempotency, SupportsAdopt, SupportsList, Target
from loopwright.providers.conformance.bench import Trial
from loopwright.providers.conformance.comparing import covered, fields_of, leaves
from loopwright.providers.conformance.findings import Broken, Unjudged, must

_NOWHERE = "loopwright-conformance-no-such-object"


def what_is_absent_is_none(trial: Trial) -> None:
    """Observing what never was gives None: by its id, and by an owner tag that nothing bears."""
    target = trial.target()
    must(trial.adapter.observe(target, _NOWHERE) is None, "an unknown id is observed as something")
    must(trial.adapter.observe(target, None) is None, "an unused owner tag is observed")


def a_failure_is_raised_and_never_absence(trial: Trial) -> None:
    """When the provider cannot be reached, observe raises a ProviderError; it never says None."""
    if trial.bench.unreachable is None:
        raise Unjudged("no connection that must fail is given")
    target = trial.target()
    made = trial.made(target)
    adapter = trial.rebuilt(trial.bench.unreachable)
    try:
        found = adapter.observe(target, made.external_id)
    except ProviderError:
        return
    raise Broken("a failure is told as absence" if found is None else "something is observed")


def observing_changes_nothing(trial: Trial) -> None:
    """Observing twice tells the same twice."""
    target = trial.target()
    first = trial.seen(target, trial.made(target).external_id)
    second = trial.adapter.observe(target, first.external_id)
    must(first == second, f"first {first}, then {second}")


def a_list_agrees_with_single_looks(trial: Trial) -> None:
    """`observe_all` tells of each target, absent ones too, what `observe` tells."""
    adapter, target, absent = trial.adapter, trial.target(), trial.target()
    if not isinstance(adapter, SupportsList):
        raise Unjudged("the provider does not list this kind")
    found = trial.seen(target, trial.made(target).external_id)
    listed = adapter.observe_all([(target, found.external_id), (absent, None)])
    must(target.address in listed and absent.address in listed, "a target is left out")
    must(listed[target.address] == found, f"listed as {listed[target.address]}, seen as {found}")
    must(listed[absent.address] is None, "an absent target is listed as something")


def an_object_is_found_by_its_owner_tag(trial: Trial) -> None:
    """Without its id an object is found again by the owner tag it was made with."""
    _need_tags(trial)
    target = trial.target()
    made = trial.made(target)
    trial.seen(target, made.external_id)
    found = trial.adapter.observe(target, None)
    must(found is not None, "not found by its owner tag")
    assert found is not None
    must(found.external_id == made.external_id, f"found {found.external_id} instead")


def what_is_adopted_is_ours(trial: Trial) -> None:
    """An object that bears another tag is found by name; adopted, it bears ours."""
    _need_tags(trial)
    adapter, ours = trial.adapter, trial.target()
    if not isinstance(adapter, SupportsAdopt):
        raise Unjudged("the provider does not adopt this kind")
    theirs = replace(ours, owner=f"somebody-else/{ours.address}")
    made = trial.seen(theirs, trial.made(theirs).external_id)
    found = [other for other in adapter.find(ours) if other.external_id == made.external_id]
    must(bool(found), "an object of that name exists, but find does not tell of it")
    trial.finished(ours, adapter.adopt(ours, found[0], trial.key()))
    must(trial.settled(ours, None) is not None, "once adopted, it is not found by our owner tag")


def a_write_only_field_is_not_told_back(trial: Trial) -> None:
    """Of a write-only field neither the value nor a stand-in is told: it would look like drift."""
    hidden = fields_of(trial.kind).write_only | trial.capabilities.write_only
    target = trial.target()
    if not _among(target, hidden):
        raise Unjudged("the sample declares no write-only field")
    found = trial.seen(target, trial.made(target).external_id)
    told = [path for path, _ in leaves(found.spec) if covered(path, hidden)]
    must(not told, f"{', '.join(told)} is told back")


def _need_tags(trial: Trial) -> None:
    if trial.capabilities.idempotency is Idempotency.NONE:
        raise Unjudged("the provider keeps no owner tags")


def _among(target: Target, paths: frozenset[str]) -> bool:
    return any(covered(path, paths) for path, _ in leaves(target.spec))


CHECKS = (
    what_is_absent_is_none,
    a_failure_is_raised_and_never_absence,
    observing_changes_nothing,
    a_list_agrees_with_single_looks,
    an_object_is_found_by_its_owner_tag,
    what_is_adopted_is_ours,
    a_write_only_field_is_not_told_back,
)
