"""What every resource may assume of the others, as far as the plan has been decided."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loopwright.planning.change import Action, Change, Obstacle, Unknown
from loopwright.planning.outlook import (
    Outlook,
    resolve_inputs,
    revision_digest,
    standing_digest,
)
from loopwright.planning.promotion import pointed_digest, promoted_fields
from loopwright.planning.situation import Situation
from loopwright.resources.address import Address
from loopwright.resources.base import Resource
from loopwright.state.records import Record

_BLOCKING = (Obstacle.BUDGET, Obstacle.PROTECTED)


class Prospects:
    """Outlooks by address; filled in causal order, looked up by what comes after."""

    def __init__(self, situation: Situation, records: Mapping[Address, Record]) -> None:
        self._graph = situation.graph
        self._file_digests, self._pins = situation.file_digests, situation.pins
        self._records = records
        self.outlooks: dict[Address, Outlook] = {}

    def enter(self, resource: Resource, change: Change) -> None:
        """Take note of what is decided for a resource."""
        self.outlooks[resource.address] = self._outlook(resource, change)

    def leave(self, resource: Resource, why: str) -> None:
        """Take note that a resource is left as it was last applied."""
        self.outlooks[resource.address] = self._left_outlook(resource, why)

    def resolve(
        self, address: Address
    ) -> tuple[dict[str, str], dict[str, str], dict[str, Unknown]]:
        """By field path: decisive digests, ids of the rest, and what is not known yet."""
        return resolve_inputs(self._graph, address, self.outlooks, self._records)

    def inputs(self, address: Address) -> dict[str, str]:
        """What its references come to now: decisive digests, and ids of the rest."""
        decisive, ids, _ = self.resolve(address)
        if self._graph.resources[address].nature.is_run:
            return decisive
        return {**self._pins.get(address, {}), **decisive, **ids}

    def given(self, address: Address, change: Change) -> str:
        """What a resource will give to others once a change of it is done."""
        resource = self._graph.resources.get(address)
        if resource is None or resource.nature.is_run:
            return ""
        promotion = resource.promotion()
        if change.action is Action.PROMOTE and promotion is not None:
            promoted = {promotion.field: change.desired[promotion.field]}
        else:
            promoted = dict(promoted_fields(resource, self._records.get(address)))
        decisive, _, _ = self.resolve(address)
        return self._standing(resource, decisive, promoted)

    def relies(self, address: Address, need: Address) -> bool:
        """Whether a need that will not come to be leaves something open: old results may do."""
        _, _, unknown = self.resolve(address)
        resource, record = self._graph.resources[address], self._records.get(address)
        promoted = promoted_fields(resource, record)
        return any(
            link.is_feeder or (link.path in unknown and link.path.partition(".")[0] not in promoted)
            for link in self._graph.links(address)
            if link.target == need
        )

    def decisive(self, address: Address) -> set[str]:
        """Field paths whose target decides what comes of it."""
        return {link.path for link in self._graph.links(address) if link.is_input}

    def _outlook(self, resource: Resource, change: Change) -> Outlook:
        stage = change.stage if change.action.writes else 0
        is_blocked = change.action is Action.WAIT or change.obstacle in _BLOCKING
        blocked = change.reason if is_blocked else ""
        if resource.nature.is_run:
            return self._run_outlook(change, stage, blocked)
        given = self._given(resource)
        if blocked:
            record = self._records.get(resource.address)
            kept = given if record and record.digest == given else ""
            return Outlook(kept, change.external_id, blocked=blocked)
        if stage:
            known_id = "" if change.action is Action.REPLACE else change.external_id
            return Outlook(given, known_id, stage, after=(resource.address,))
        return Outlook(given, change.external_id) if given else self._inherited(change)

    def _inherited(self, change: Change) -> Outlook:
        """Of something unchanged that builds on what will change: in place when that is."""
        links = self._graph.links(change.address)
        paths = self.decisive(change.address)
        found = [self.outlooks[link.target] for link in links if link.path in paths]
        below = [outlook for outlook in found if not outlook.digest]
        return Outlook(
            external_id=change.external_id,
            stage=max((outlook.stage for outlook in below), default=0),
            after=tuple(sorted({address for outlook in below for address in outlook.after})),
            blocked=next((outlook.blocked for outlook in below if outlook.blocked), ""),
        )

    def _left_outlook(self, resource: Resource, why: str) -> Outlook:
        """Of what is left alone: as it was last applied, whatever the manifest says now."""
        record = self._records.get(resource.address)
        if resource.nature.is_run:
            return self._run_outlook(Change(resource.address, Action.NOOP, reason=why), 0, "")
        if record is None:
            return Outlook(blocked=why)
        return Outlook(record.digest, record.external_id)

    def _given(self, resource: Resource) -> str:
        """The digest of a standing resource; empty while an input of it is open."""
        address = resource.address
        decisive, _, unknown = self.resolve(address)
        promoted = promoted_fields(resource, self._records.get(address))
        is_open = any(
            path in self.decisive(address) and path.partition(".")[0] not in promoted
            for path in unknown
        )
        return "" if is_open else self._standing(resource, decisive, promoted)

    def _standing(
        self, resource: Resource, decisive: Mapping[str, str], promoted: Mapping[str, Any]
    ) -> str:
        files = self._file_digests.get(resource.address, {})
        pointed = pointed_digest(self._graph, resource, promoted, self._records)
        return standing_digest(resource, decisive, files=files, promoted=promoted, pointed=pointed)

    def _run_outlook(self, change: Change, stage: int, blocked: str) -> Outlook:
        record = self._records.get(change.address)
        current = record.current_revision if record else None
        if change.action is Action.RUN and not blocked:
            return Outlook(stage=stage, after=(change.address,), note=change.revision)
        if change.action is Action.REUSE and record:
            same = next(
                found
                for found in reversed(record.revisions)
                if found.fingerprint == change.fingerprint
            )
            return Outlook(revision_digest(same), same.external_id, stage, (change.address,))
        if change.action is Action.ADOPT:
            return Outlook(change.fingerprint, change.external_id, stage, (change.address,))
        if change.obstacle is Obstacle.RUNNING:
            return Outlook(blocked="it is running", note=change.revision)
        if current is None:
            return Outlook(blocked=blocked or change.reason or "it has no revision yet")
        return Outlook(revision_digest(current), current.external_id)
