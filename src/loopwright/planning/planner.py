"""The plan of a situation: one decision an address, staged in causal order. Pure.

An apply keeps the planner and asks it again for what was not known at plan time, so that both
decide by the same rules.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from loopwright.hashing import digest
from loopwright.planning.change import Action, Change, Drift, Obstacle, Unknown
from loopwright.planning.doubt import both_ways_out, is_in_doubt
from loopwright.planning.outlook import as_named, revision_digest, version_of
from loopwright.planning.plan import Plan, Quiet
from loopwright.planning.promotion import decide_promotion, effective_spec, promoted_fields
from loopwright.planning.prospects import Prospects
from loopwright.planning.removal import decide_removals, guard_pruning, order_removals
from loopwright.planning.runs import decide_run
from loopwright.planning.selecting import chosen
from loopwright.planning.series import AllSeries
from loopwright.planning.situation import Situation
from loopwright.planning.standing import Decision, because, decide_standing
from loopwright.planning.totals import envelope, totals
from loopwright.providers.base import Estimate, Observed
from loopwright.resources.address import Address
from loopwright.resources.base import Resource
from loopwright.state.records import Pending, Record


def observation_digest(observed: Observed | None) -> str:
    """What a saved plan remembers of an object, to notice that it moved on."""
    if observed is None:
        return "absent"
    return digest(
        {"id": observed.external_id, "spec": dict(observed.spec), "owner": observed.owner}
    )


class Planner:
    """Decides every address of a situation once, in causal order."""

    def __init__(self, situation: Situation) -> None:
        self.situation = situation
        self.graph = situation.graph
        self.records: dict[Address, Record] = {
            address: as_named(record, situation.observed.get(address))
            for address in self.graph.order
            if (record := situation.record(address)) is not None
        }
        self.prospects = Prospects(situation, self.records)
        self._series = AllSeries(self.graph.resources.values())
        self._drift: list[Drift] = []
        self._quiet: list[Quiet] = []
        self._changes: dict[Address, Change] = {}

    def plan(self) -> Plan:
        """Raises PlanError for unknown selectors, RefusedError for a prune that looks wrong."""
        situation = self.situation
        within = chosen(situation)
        for address in self.graph.order:
            self._enter(address, self._left_alone(address, address in within))
        for address in self.graph.order:
            self._promote(address)
        removals = self._removals()
        changes = tuple(
            sorted([*self._changes.values(), *removals], key=lambda change: change.stage)
        )
        sums = totals(changes)
        return Plan(
            header=situation.header,
            changes=changes,
            drift=tuple(self._drift),
            quiet=tuple(self._quiet),
            totals=sums,
            envelope=envelope(situation.project.envelope, sums, changes),
            selection=situation.selection,
            variables=situation.variables,
            world={
                str(change.address): observation_digest(situation.observed[change.address])
                for change in changes
                if change.action.is_pending and change.address in situation.observed
            },
        )

    def settle(self, record: Record) -> None:
        """Take note of what an apply has brought about: it is in place now."""
        self.records[record.address] = record
        resource = self.graph.resources.get(record.address)
        if resource is not None:
            done = Change(record.address, Action.NOOP, external_id=record.external_id)
            self.prospects.enter(resource, done)
            self._pass_on(record.address)

    def _pass_on(self, address: Address) -> None:
        """What is unchanged, but builds on this, gives something else now."""
        for user in self.graph.dependants(address):
            after = self.prospects.outlooks[user].after
            if address in after and after != (user,):
                self.prospects.enter(self.graph.resources[user], self._changes[user])
                self._pass_on(user)

    def redecide(self, address: Address, estimate: Estimate | None = None) -> Change:
        """Decide again, with what earlier stages have brought about."""
        if estimate is not None:
            self.situation = replace(
                self.situation, estimates={**self.situation.estimates, address: estimate}
            )
        self._enter(address, "")
        return self._changes[address]

    def _left_alone(self, address: Address, is_chosen: bool) -> str:
        if not is_chosen:
            return "outside the selection"
        record = self.records.get(address)
        if record and record.suspension and self.situation.is_suspended(record):
            held = record.suspension
            until = f" until {held.until}" if held.until else ""
            return f"suspended by {held.by}{until}: {held.reason}"
        return ""

    def _enter(self, address: Address, left_alone: str) -> None:
        resource = self.graph.resources[address]
        record = self.records.get(address)
        if left_alone:
            self._quiet.append(Quiet(address, left_alone))
            change = Change(
                address,
                Action.NOOP,
                reason=left_alone,
                external_id=record.external_id if record else "",
            )
        else:
            change = self._moved(self._decide(resource))
        if change.action.is_pending:
            change = self._staged(change)
        self._changes[address] = replace(
            change,
            provider=resource.provider.name if resource.provider else "",
            origin=self.situation.origins.get(address, ""),
        )
        if left_alone:
            self.prospects.leave(resource, left_alone)
        else:
            self.prospects.enter(resource, self._changes[address])

    def _record(self, address: Address) -> Record | None:
        """Also of what is recorded and not declared."""
        return self.records.get(address) or self.situation.record(address)

    def _moved(self, change: Change) -> Change:
        old = self.situation.moved.get(change.address)
        if old is None:
            return change
        if change.action is not Action.NOOP:
            return replace(change, moved_from=old, reason=f"{change.reason}; moved from {old}")
        return replace(change, action=Action.MOVE, moved_from=old, reason=f"moved from {old}")

    def _decide(self, resource: Resource) -> Change:
        address = resource.address
        decisive, ids, unknown = self.prospects.resolve(address)
        record = self.records.get(address)
        base = Change(
            address,
            Action.WAIT,
            desired=resource.desired(),
            external_id=record.external_id if record else "",
        )
        missing = self._missing_version(address, unknown)
        if missing:
            return replace(base, obstacle=Obstacle.UPSTREAM, reason=missing)
        if record and is_in_doubt(record, self.situation.capabilities.get(address)):
            return replace(base, obstacle=Obstacle.DECISION, reason=both_ways_out(record))
        if record and record.pending:
            begun = record.pending
            evidence = begun.promotes.get("evidence", {})
            number = begun.revision or evidence.get("revision")
            return replace(
                base,
                obstacle=Obstacle.RUNNING,
                revision=f"v{number}" if number else "",
                evidence=evidence,
                reason=f"{begun.action} since {_to_seconds(begun.since)}{_how_far(begun)}"
                if begun.sent
                else f"{begun.action} begun {_to_seconds(begun.since)} without an answer; "
                "apply finds out",
            )
        if address in self.situation.unpinned:
            return replace(base, obstacle=Obstacle.FAILED, reason=self._unpinned(address))
        if resource.nature.is_run:
            open_inputs = {
                path: value
                for path, value in unknown.items()
                if path in self.prospects.decisive(address)
            }
            number = self._series.next_version(address, self._record, self._changes)
            decision = decide_run(self.situation, resource, decisive, open_inputs, number=number)
        else:
            pins = self.situation.pins.get(address, {})
            decision = self._standing(resource, {**pins, **decisive, **ids}, unknown)
        self._drift.extend(decision.drift)
        change = decision.change
        capabilities = self.situation.capabilities.get(address)
        if change.action.writes and capabilities:
            change = replace(change, manual_steps=capabilities.manual_steps)
        return change

    def _unpinned(self, address: Address) -> str:
        origin = self.situation.origins.get(address)
        where = f" (wanted by {origin})" if origin else ""
        return f"cannot be planned: {self.situation.unpinned[address]}{where}"

    def _standing(
        self, resource: Resource, inputs: Mapping[str, str], unknown: Mapping[str, Unknown]
    ) -> Decision:
        record = self.records.get(resource.address)
        overridden = promoted_fields(resource, record)

        def given(paths: Mapping[str, str | Unknown]) -> dict[str, str | Unknown]:
            return {
                path: value
                for path, value in paths.items()
                if path.partition(".")[0] not in overridden
            }

        decision = decide_standing(
            self.situation,
            resource,
            {**given(inputs), **given(unknown)},
            effective=effective_spec(resource, record),
        )
        return replace(decision, change=self._labelled(decision.change))

    def _promote(self, address: Address) -> None:
        """Gates are asked last: they read what other parts of the plan bring about."""
        resource = self.graph.resources[address]
        left_alone = any(quiet.address == address for quiet in self._quiet)
        if resource.promotion() is not None and not left_alone:
            self._changes[address] = decide_promotion(
                self.situation, resource, self._changes, self.prospects.outlooks
            )

    def _labelled(self, change: Change) -> Change:
        """Say `v3` instead of a digest where a field points at a run."""
        targets = {link.path: link.target for link in self.graph.links(change.address)}

        def label(path: str, value: Any) -> Any:
            record = self.records.get(targets[path]) if path in targets else None
            for revision in record.revisions if record else ():
                if isinstance(value, str) and value and revision_digest(revision).endswith(value):
                    return f"{targets[path]} v{version_of(revision)}"
            return value

        fields = tuple(
            replace(
                field, before=label(field.path, field.before), after=label(field.path, field.after)
            )
            for field in change.fields
        )
        return (
            replace(change, fields=fields, reason=because(fields))
            if (fields != change.fields)
            else change
        )

    def _missing_version(self, address: Address, unknown: Mapping[str, Unknown]) -> str:
        for link in self.graph.links(address):
            if link.path not in unknown or link.pointer.revision == "latest":
                continue
            producer, label = self._changes.get(link.target), link.pointer.revision
            may_come = producer is not None and producer.action is Action.RUN
            if not may_come or not label.removeprefix("v").isdecimal():  # only people give names
                return f"{link.target} has no version {label}"
        return ""

    def _staged(self, change: Change) -> Change:
        """Put it after what it needs, or behind what will not come to be."""
        after: set[Address] = set()
        stage, blocked = 1, ""
        for need in self.graph.needs(change.address):
            outlook = self.prospects.outlooks[need]
            if outlook.stage:
                after.update(outlook.after)
                stage = max(stage, outlook.stage + 1)
            if outlook.blocked and not blocked and self.prospects.relies(change.address, need):
                blocked = f"waits for {need}: {outlook.blocked}"
        change = replace(change, stage=stage, after=tuple(sorted(after)))
        if blocked and change.action.writes:
            return replace(change, action=Action.WAIT, obstacle=Obstacle.UPSTREAM, reason=blocked)
        return change

    def _removals(self) -> list[Change]:
        situation, selection = self.situation, self.situation.selection
        removals = decide_removals(situation)
        if selection.is_partial:
            wanted, left = set(selection.targets), set(selection.excludes)
            removals = [
                change
                for change in removals
                if str(change.address) not in left and (not wanted or str(change.address) in wanted)
            ]
        kept = [change for change in removals if self._stays(change)]
        removals = [change for change in removals if change not in kept]
        guard_pruning(situation, removals)
        pending = {a: change for a, change in self._changes.items() if change.action.is_pending}
        return order_removals(removals, situation.records, pending)

    def _stays(self, change: Change) -> bool:
        record = self.situation.records[change.address]
        if record.suspension and self.situation.is_suspended(record):
            self._quiet.append(Quiet(change.address, f"suspended: {record.suspension.reason}"))
            return True
        is_asked_for = str(change.address) in self.situation.project.forget
        if not self.situation.selection.prune and not is_asked_for:
            self._quiet.append(Quiet(change.address, "absent from the manifests, not pruned"))
            return True
        return False


def _how_far(begun: Pending) -> str:
    """Of a promotion: the share of the calls that the candidate answers, and how it does."""
    progress = begun.operation.get("progress") or {}
    if not begun.promotes or not progress:
        return ""
    share = f"{progress['done']:g} {progress['unit']}" if progress["total"] else ""
    return f": {', '.join(filter(None, (share, progress['note'])))}"


def _to_seconds(moment: str) -> str:
    return f"{moment[:19]}Z"
