"""Decides what happens to recorded resources that the manifests no longer want."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from graphlib import TopologicalSorter

from loopwright.errors import RefusedError
from loopwright.planning.change import Action, Change, Obstacle
from loopwright.planning.doubt import both_ways_out, is_in_doubt
from loopwright.planning.situation import Situation
from loopwright.providers.base import Capabilities
from loopwright.resources.address import Address
from loopwright.resources.registry import resource_class
from loopwright.state.records import Record

_SMALL = 4
"""So few deletions are always a person's edit, whatever share they are."""


def decide_removals(situation: Situation) -> list[Change]:
    """A change for every record that has no resource, in no particular order."""
    found = list(_removals(situation))
    kept = {change.address for change in found if change.keeps_remote}
    kept |= {address for address, record in situation.records.items() if record.retained}
    needed = {
        Address.parse(dependency)
        for address in kept
        if address in situation.records
        for dependency in situation.records[address].dependencies
    }
    return [
        _forget(situation.records[change.address], "kept for what is kept with it", retains=True)
        if change.address in needed and change.action is Action.DELETE and not change.in_world
        else change
        for change in found
    ]


def _removals(situation: Situation) -> Iterator[Change]:
    forget = {Address.parse(text) for text in situation.project.forget}
    for address, record in sorted(situation.records.items()):
        if address in situation.moved.values():
            continue
        if address in forget:
            yield _forget(record, "forget: in loopwright.yaml; the remote object stays")
        elif address not in situation.resources and not (
            record.retained and not situation.selection.delete_data
        ):
            yield _removal(situation, address, record)


def _removal(situation: Situation, address: Address, record: Record) -> Change:
    why = "absent from the manifests" if not situation.selection.destroy else "destroy"
    where = (
        f" (last in {record.origin})" if record.origin and not situation.selection.destroy else ""
    )
    kind = resource_class(address.kind)
    keeps = record.keeps_remote and not situation.selection.delete_data
    capabilities = situation.capabilities.get(address, Capabilities())
    if is_in_doubt(record, capabilities):
        change = _delete(record, both_ways_out(record))
        return replace(change, in_world=True, obstacle=Obstacle.DECISION)
    if record.prevent_destroy and not keeps:
        change = _delete(record, f"{why}{where}")
        return replace(
            change, obstacle=Obstacle.PROTECTED, reason=f"preventDestroy is set; {why}{where}"
        )
    if kind.nature.is_run and not situation.selection.delete_data:
        active = "cancelled, " if record.pending else ""
        return _forget(record, f"{why}{where}; {active}results kept", retains=True)
    if keeps:
        return _forget(record, f"{why}{where}; kept (deletionPolicy retain)", retains=True)
    if not capabilities.can_delete:
        return _forget(record, f"{why}{where}; the provider cannot delete it")
    return _delete(record, f"{why}{where}")


def _delete(record: Record, reason: str) -> Change:
    return Change(
        record.address,
        Action.DELETE,
        reason=reason,
        external_id=record.external_id,
        provider=record.provider,
        desired=record.spec,
        in_world=bool(remote_objects(record)),
        origin=record.origin,
    )


def remote_objects(record: Record) -> dict[str, int | None]:
    """Every object it has at its provider, by external id, with the revision it is of."""
    found: dict[str, int | None] = {
        one.external_id: one.number for one in record.revisions if one.external_id
    }
    if record.external_id:
        found.setdefault(record.external_id, record.current)
    if record.pending and (being_made := record.pending.operation.get("external_id")):
        found.setdefault(being_made, record.pending.revision)
    return found


def _forget(record: Record, reason: str, *, retains: bool = False) -> Change:
    return Change(
        record.address,
        Action.FORGET,
        reason=reason,
        external_id=record.external_id,
        provider=record.provider,
        desired=record.spec,
        in_world=record.pending is not None,
        keeps_remote=retains,
        origin=record.origin,
    )


def order_removals(
    removals: list[Change], records: Mapping[Address, Record], pending: Mapping[Address, Change]
) -> list[Change]:
    """Stage removals after whatever needed them: dependants go, or let go, first."""
    by_address = {change.address: change for change in removals}
    users: dict[Address, set[Address]] = {address: set() for address in by_address}
    for address, record in records.items():
        for dependency in record.dependencies:
            target = Address.parse(dependency)
            if target in users and address != target:
                users[target].add(address)
    stages: dict[Address, int] = {}
    ordered = []
    for address in _users_first(users):
        after = tuple(
            sorted(user for user in users[address] if user in by_address or user in pending)
        )
        before = [stages[user] if user in stages else pending[user].stage for user in after]
        stages[address] = 1 + max(before, default=0)
        ordered.append(replace(by_address[address], stage=stages[address], after=after))
    return ordered


def _users_first(users: Mapping[Address, set[Address]]) -> Iterator[Address]:
    sorter = TopologicalSorter(
        {address: sorted(found & users.keys()) for address, found in sorted(users.items())}
    )
    sorter.prepare()
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        yield from ready
        sorter.done(*ready)


def guard_pruning(situation: Situation, removals: list[Change]) -> None:
    """Refuse what looks like a mistake. Raises RefusedError."""
    deletes = [change for change in removals if change.action is Action.DELETE]
    if situation.selection.destroy or not deletes:
        return
    if not situation.resources:
        raise RefusedError(
            f"the manifests are empty, which would delete {len(deletes)} resources",
            hint="run `loopwright destroy` if that is meant; else check the path",
        )
    share = len(deletes) / len(situation.records)
    allowed = situation.project.prune.max_share
    if len(deletes) >= _SMALL and share > allowed:
        raise RefusedError(
            f"{len(deletes)} of {len(situation.records)} resources would be deleted, "
            f"more than the share of {allowed:.0%} that prune.maxShare allows",
            hint="check the manifests; or raise prune.maxShare in loopwright.yaml",
        )
