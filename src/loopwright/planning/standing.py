"""Decides a standing or config resource: create, adopt, update, replace, or nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from loopwright.clock import from_text
from loopwright.hashing import digest
from loopwright.planning.change import OUTPUTS, Action, Change, Drift, DriftClass, Obstacle, Unknown
from loopwright.planning.diff import FieldRules, three_way
from loopwright.planning.situation import Situation
from loopwright.providers.base import Capabilities, FieldChange, Observed
from loopwright.resources.address import Address
from loopwright.resources.base import Nature, Resource, marked_paths
from loopwright.state.records import Record

_NO_WORLD = Capabilities()


@dataclass(frozen=True, slots=True)
class Decision:
    """A change, and the drift that was seen on the way."""

    change: Change
    drift: tuple[Drift, ...] = ()


def decide_standing(
    situation: Situation,
    resource: Resource,
    inputs: Mapping[str, str | Unknown],
    *,
    effective: Mapping[str, Any],
) -> Decision:
    """`effective` is the declared spec, with a promoted model or a rollback that holds."""
    address = resource.address
    desired = dict(effective)
    record = situation.record(address)
    base = Change(
        address,
        Action.NOOP,
        fingerprint=digest(desired),
        desired=desired,
        in_world=resource.nature is not Nature.CONFIG,
        external_id=record.external_id if record else "",
    )
    if resource.nature is Nature.CONFIG:
        return _decide_config(base, record)
    if address not in situation.observed:
        observed: Observed | None = None
        looked = False
    else:
        observed, looked = situation.observed[address], True
    if record is None or not record.external_id:
        return _decide_new(situation, base, resource, observed)
    if looked and observed is None:
        return _decide_gone(situation, base, record)
    return _decide_present(situation, base, resource, record, observed, inputs)


def _decide_config(base: Change, record: Record | None) -> Decision:
    if record is None:
        return Decision(replace(base, action=Action.CREATE, reason="new"))
    changes = _edited(record.spec, base.desired)
    if not changes:
        return Decision(base)
    return Decision(replace(base, action=Action.UPDATE, fields=changes, reason=because(changes)))


def _edited(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[FieldChange, ...]:
    rules = FieldRules(frozenset(), frozenset(), frozenset(), None)
    found = three_way(
        Address("", ""), prior=before, desired=after, observed=None, rules=rules, accepted={}
    )
    return found.in_world


def _decide_new(
    situation: Situation, base: Change, resource: Resource, observed: Observed | None
) -> Decision:
    if observed is None:
        return Decision(replace(base, action=Action.CREATE, reason="new"))
    rules = _rules(situation, resource)
    found = three_way(
        base.address,
        prior=base.desired,
        desired=base.desired,
        observed=observed.spec,
        rules=rules,
        accepted={},
    )
    change = replace(
        base,
        action=Action.ADOPT,
        fields=tuple(replace(field, forces_replace=False) for field in found.in_world),
        external_id=observed.external_id,
        reason=f"exists as {observed.external_id} and bears our owner tag",
    )
    return Decision(change)


def _decide_gone(situation: Situation, base: Change, record: Record) -> Decision:
    settling = situation.capabilities.get(base.address, _NO_WORLD).settling
    if settling and _age(situation, record) < settling:
        note = f"created {record.created_at}, may take {int(settling.total_seconds())} s to show"
        drift = Drift(base.address, DriftClass.SETTLING, note=note)
        return Decision(base, (drift,))
    drift = Drift(base.address, DriftClass.GONE, before=record.external_id)
    change = replace(
        base,
        action=Action.CREATE,
        external_id="",
        reason=f"{record.external_id} is gone: deleted outside",
    )
    return Decision(change, (drift,))


def _age(situation: Situation, record: Record) -> timedelta:
    return situation.now - from_text(record.created_at) if record.created_at else timedelta.max


def _decide_present(
    situation: Situation,
    base: Change,
    resource: Resource,
    record: Record,
    observed: Observed | None,
    inputs: Mapping[str, str | Unknown],
) -> Decision:
    rules = _rules(situation, resource)
    found = three_way(
        base.address,
        prior=record.spec,
        desired=base.desired,
        observed=observed.spec if observed else None,
        rules=rules,
        accepted=situation.accepted_drift(record),
    )
    fields = found.in_world + _moved_inputs(record, base.desired, inputs, rules)
    fields += observed.beside if observed else ()
    recorded = found.recorded_only + _other_outputs(record, observed)
    drift = found.drift
    if observed is not None and not observed.ready:
        drift += (Drift(base.address, DriftClass.STATUS, note=observed.status or "not ready"),)
    if not fields:
        if not recorded and not record.retained:
            return Decision(base, drift)
        reason = because(recorded) if recorded else "declared again"
        change = replace(
            base,
            action=Action.UPDATE,
            in_world=False,
            fields=recorded,
            reason=reason,
        )
        return Decision(change, drift)
    replaces = any(field.forces_replace for field in fields)
    change = replace(
        base,
        action=Action.REPLACE if replaces else Action.UPDATE,
        fields=fields + found.recorded_only,
        reason=_reason(fields, drift),
        keeps_remote=replaces and resource.keeps_remote,
    )
    if replaces and (resource.lifecycle.prevent_destroy or record.prevent_destroy):
        change = replace(change, obstacle=Obstacle.PROTECTED)
    return Decision(change, drift)


def _other_outputs(record: Record, observed: Observed | None) -> tuple[FieldChange, ...]:
    """Outputs that have changed by themselves, such as an address; our record follows."""
    told = observed.outputs if observed else {}
    return tuple(
        FieldChange(f"{OUTPUTS}{name}", before, told[name])
        for name, before in sorted(record.outputs.items())
        if name in told and told[name] != before
    )


def _rules(situation: Situation, resource: Resource) -> FieldRules:
    model = type(resource.spec)
    return FieldRules.of(
        policy=marked_paths(model, "policy"),
        write_only=marked_paths(model, "write-only"),
        immutable=marked_paths(model, "immutable"),
        capabilities=situation.capabilities.get(resource.address, _NO_WORLD),
        ignored=resource.lifecycle.ignore_changes,
    )


def _moved_inputs(
    record: Record,
    desired: Mapping[str, Any],
    inputs: Mapping[str, str | Unknown],
    rules: FieldRules,
) -> tuple[FieldChange, ...]:
    """References whose text is the same but which now point at something else."""
    found = []
    for path, value in sorted(inputs.items()):
        before = record.inputs.get(path)
        if (
            before is None
            or before == value
            or _written(record.spec, path) != _written(desired, path)
        ):
            continue
        after = value if isinstance(value, Unknown) else _short(value)
        found.append(
            FieldChange(path, _short(before), after, forces_replace=rules.forces_replace(path))
        )
    return tuple(found)


def _written(spec: Mapping[str, Any], path: str) -> Any:
    value: Any = spec
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _short(text: str) -> str:
    """The last digits of a digest are enough to tell two apart."""
    return text[-12:] if text.startswith("sha256:") else text


def _reason(fields: tuple[FieldChange, ...], drift: tuple[Drift, ...]) -> str:
    outside = {item.path for item in drift if item.drift_class is DriftClass.OUTSIDE}
    edited = tuple(field for field in fields if field.path not in outside)
    if not edited:
        return "changed outside; set back"
    return because(edited)


def because(fields: tuple[FieldChange, ...]) -> str:
    """The first change in words, and how many more there are."""
    first = fields[0]
    more = f" and {len(fields) - 1} more" if len(fields) > 1 else ""
    return f"{first.path} {show(first.before)} -> {show(first.after)}{more}"


def show(value: Any) -> str:
    """A value in a few words."""
    if value is None:
        return "(unset)"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value if value else '""'
    if isinstance(value, list | tuple):
        return "[" + ", ".join(show(item) for item in value) + "]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name}: {show(item)}" for name, item in value.items()) + "}"
    return str(value)
