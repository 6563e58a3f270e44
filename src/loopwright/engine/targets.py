"""Resources and records as adapters get them: references resolved from what state records."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from loopwright.graph import Graph, Link
from loopwright.planning.outlook import find_revision, makers_of, revision_digest, version_of
from loopwright.planning.promotion import is_candidates
from loopwright.providers.base import Resolved, Target
from loopwright.resources.address import Address, Pointer
from loopwright.resources.base import Nature, Resource
from loopwright.resources.markers import Edge
from loopwright.state.records import Record, Revision


def owner_tag(lineage: str, address: Address) -> str:
    """What marks a remote object as ours."""
    return f"{lineage}/{address}"


class Targets:
    """Makes targets of one graph from the records as they are now."""

    def __init__(self, graph: Graph, records: Mapping[Address, Record], lineage: str) -> None:
        self._graph, self._records, self._lineage = graph, records, lineage

    def declared(
        self,
        resource: Resource,
        *,
        spec: Mapping[str, Any] | None = None,
        revision: int | None = None,
        with_attached: bool = True,
    ) -> Target:
        """Of a declared resource; `spec` where something else than the manifest is to hold."""
        address = resource.address
        desired = resource.desired() if spec is None else spec
        attached = self._graph.attached(address) if with_attached else ()
        return Target(
            address=address,
            spec=desired,
            owner=owner_tag(self._lineage, address),
            inputs=self._inputs(address, desired),
            reads=self._reads(address),
            attached=tuple(
                self.declared(self._graph.resources[other], with_attached=False)
                for other in attached
            ),
            revision=revision,
            base_dir=resource.base_dir,
            labels=resource.metadata.labels,
        )

    def recorded(self, record: Record, spec: Mapping[str, Any] | None = None) -> Target:
        """Of a record whose manifest may be gone: with the spec that was last applied."""
        address = record.address
        resource = self._graph.resources.get(address)
        return Target(
            address=address,
            spec=record.spec if spec is None else spec,
            owner=owner_tag(self._lineage, address),
            inputs=self._inputs(address, record.spec) if resource else {},
            revision=record.current,
            base_dir=resource.base_dir if resource else Path(),
            labels=record.labels,
        )

    def _inputs(self, address: Address, spec: Mapping[str, Any]) -> dict[str, Resolved]:
        found: dict[str, Resolved] = {}
        for link in self._graph.links(address):
            through = link.is_feeder or link.is_through
            if link.edge is Edge.NEEDS and not through and link.target.kind != "Provider":
                found |= self._needed(link)
        resource = self._graph.resources.get(address)
        promotion = resource.promotion() if resource else None
        pointed = (spec.get(promotion.field) or {}).get("model") if promotion else None
        if promotion and pointed and is_candidates(self._graph, promotion, pointed):
            pointer = Pointer.parse(pointed)
            record = self._records.get(promotion.candidate)
            revision = find_revision(record, pointer.revision)
            found = {
                path: value
                for path, value in found.items()
                if path.partition(".")[0] != promotion.field
            }
            found[f"{promotion.field}.model"] = _resolved(promotion.candidate, record, revision)
        return found

    def _reads(self, address: Address) -> dict[str, Resolved]:
        """What is read as it stands now, and what that in turn refers to."""
        found: dict[str, Resolved] = {}
        for link in self._graph.links(address):
            if link.edge is Edge.READS and link.is_input and not link.is_through:
                read = self._graph.resources[link.target]
                found[link.path] = Resolved(
                    link.target, spec=read.desired(), base_dir=read.base_dir
                )
                below = self._inputs(link.target, read.desired())
                found |= {f"{link.path}.{path}": one for path, one in below.items()}
        return found

    def _needed(self, link: Link) -> dict[str, Resolved]:
        """What a path points at; what has no remote life, with what that in turn refers to."""
        needed = self._graph.resources[link.target]
        if needed.nature is not Nature.CONFIG:
            return {link.path: self._resolved(link)}
        spec = needed.desired()
        itself = Resolved(link.target, spec=spec, base_dir=needed.base_dir)
        below = self._inputs(link.target, spec)
        return {link.path: itself} | {f"{link.path}.{path}": one for path, one in below.items()}

    def _resolved(self, link: Link) -> Resolved:
        label = link.pointer.revision
        best: tuple[int, Record, Revision] | None = None
        for maker in makers_of(self._graph, link):
            record = self._records.get(maker)
            revision = find_revision(record, label)
            if record is None or revision is None:
                continue
            version = version_of(revision)
            if best is None or version > best[0]:
                best = (version, record, revision)
        if best is not None:
            return _resolved(best[1].address, best[1], best[2])
        return _resolved(
            link.target,
            self._records.get(link.target),
            None,
            self._graph.resources.get(link.target),
        )


def _resolved(
    address: Address,
    record: Record | None,
    revision: Revision | None,
    resource: Resource | None = None,
) -> Resolved:
    if record is None:
        return Resolved(address, spec=resource.desired() if resource else {})
    if revision is not None:
        return Resolved(
            address,
            revision.external_id,
            revision.number,
            revision_digest(revision),
            revision.outputs,
            revision.spec,
        )
    return Resolved(address, record.external_id, None, record.digest, record.outputs, record.spec)
