"""What a resource may assume of the ones it refers to, once their part of the plan is done."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from loopwright.graph import Graph, Link
from loopwright.hashing import digest
from loopwright.planning.change import Unknown
from loopwright.providers.base import Observed
from loopwright.resources.address import Address
from loopwright.resources.base import Resource
from loopwright.resources.markers import Edge
from loopwright.state.records import Record, Revision, RunStatus

ALIASED = "aliased"
"""Output with the names that people gave to the versions of a series, and which each means."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """One resource as those after it will find it."""

    digest: str = ""
    """What it gives to others; empty: not known yet."""
    external_id: str = ""
    stage: int = 0
    """0: in place already; n: after stage n."""
    after: tuple[Address, ...] = ()
    """What has to be done for it to be in place: itself, or what an unchanged one builds on."""
    note: str = ""
    blocked: str = ""
    """Why it will not come to be in this plan; empty: it will."""


def revision_digest(revision: Revision) -> str:
    """What a run gives to others: its result's digest where the provider tells one."""
    return str(revision.outputs.get("digest") or revision.fingerprint)


def version_of(revision: Revision) -> int:
    """The number its provider gave, which several resources may count together; else ours."""
    return int(revision.outputs.get("version", revision.number))


def fingerprint(
    resource: Resource,
    inputs: Mapping[str, str],
    files: Mapping[str, str],
    normal: Mapping[str, Any] | None = None,
) -> str:
    """Identity of a run: everything that decides its result.

    `normal` are the fields that its provider has a normal form for.
    """
    written = {**resource.deciding(), **(normal or {})}
    for name in normal or {}:
        if not written[name]:
            del written[name]
    return digest(
        {
            "kind": resource.kind,
            "spec": written,
            "inputs": dict(sorted(inputs.items())),
            "files": sorted(files.values()),
        }
    )


def standing_digest(
    resource: Resource,
    decisive: Mapping[str, str],
    *,
    files: Mapping[str, str],
    promoted: Mapping[str, Any],
    pointed: str = "",
) -> str:
    """What a standing or config resource gives to others; a promoted pointer counts as given.

    `pointed` is what the revision that the pointer names gives. What only passes a revision on
    gives just that revision.
    """
    overridden = {path for path in decisive if path.partition(".")[0] in promoted}
    inputs = {path: value for path, value in decisive.items() if path not in overridden}
    if resource.passes_on:
        passed = [one for path, one in inputs.items() if _top(path) == resource.passes_on]
        if resource.passes_on in promoted and pointed:
            return pointed
        if len(passed) == 1:
            return passed[0]
    return digest(
        {
            "identity": resource.identity() | dict(promoted),
            "inputs": dict(sorted(inputs.items())),
            "files": sorted(files.values()),
        }
    )


def _top(path: str) -> str:
    return path.partition(".")[0]


def find_revision(record: Record | None, label: str) -> Revision | None:
    """The succeeded revision that `@label` means: a name that people gave it, a version the
    provider gave, or our number."""
    if record is None:
        return None
    if label == "latest":
        return record.current_revision
    named = _aliased(record)
    label = str((named or {}).get(label, label))
    done = [found for found in record.revisions if found.status is RunStatus.SUCCEEDED]
    for found in reversed(done):
        if str(found.outputs.get("version", "")) == label.removeprefix("v"):
            return found
    for found in reversed(done):
        then = found.outputs.get("aliases", ()) if named is None else ()
        if label in then or str(found.number) == label:
            return found
    return None


def means_itself(record: Record | None, label: str) -> bool:
    """Whether `@label` means what a standing resource made, which has no revisions in state."""
    if record is None or record.revisions or not record.outputs:
        return False
    version = str(record.outputs.get("version", ""))
    named = str((_aliased(record) or {}).get(label, label))
    return bool(version) and named.removeprefix("v") == version


def as_named(record: Record, observed: Observed | None) -> Record:
    """The record with the names that its revisions have by now, as far as anybody looked."""
    told = observed.outputs.get(ALIASED) if observed else None
    return record if told is None else with_outputs(record, {ALIASED: told})


def with_outputs(record: Record, outputs: Mapping[str, Any]) -> Record:
    """The record with some outputs of what is in use replaced."""
    if not outputs:
        return record
    current = record.current_revision
    revisions = tuple(
        replace(found, outputs={**found.outputs, **outputs}) if found is current else found
        for found in record.revisions
    )
    return replace(record, outputs={**record.outputs, **outputs}, revisions=revisions)


def _aliased(record: Record) -> Mapping[str, Any] | None:
    """Alias -> version, of the whole series; None where its provider does not tell."""
    current = record.current_revision
    found = (current.outputs if current else record.outputs).get(ALIASED)
    return found if isinstance(found, Mapping) else None


def resolve_inputs(
    graph: Graph,
    address: Address,
    outlooks: Mapping[Address, Outlook],
    records: Mapping[Address, Record],
) -> tuple[dict[str, str], dict[str, str], dict[str, Unknown]]:
    """Three maps by field path: decisive digests, ids of the rest, and what is not known yet."""
    decisive: dict[str, str] = {}
    ids: dict[str, str] = {}
    unknown: dict[str, Unknown] = {}
    for link in graph.links(address):
        if link.is_feeder:
            continue
        if link.edge is Edge.READS:
            if link.is_through and (stood := _standing(graph, link, records)):
                decisive[link.path] = stood
            continue
        found = _value(graph, link, outlooks, records)
        if isinstance(found, Unknown):
            unknown[link.path] = found
        elif link.is_input:
            decisive[link.path] = found
        elif link.target.kind != "Provider":
            ids[link.path] = found
    return decisive, ids, unknown


def _value(
    graph: Graph,
    link: Link,
    outlooks: Mapping[Address, Outlook],
    records: Mapping[Address, Record],
) -> str | Unknown:
    outlook = outlooks[link.target]
    if not link.is_input:
        return outlook.external_id or _unknown(link.target, outlook)
    makers = makers_of(graph, link)
    label = link.pointer.revision
    if label != "latest":
        pinned = (find_revision(records.get(maker), label) for maker in makers)
        found = next((revision for revision in pinned if revision is not None), None)
        if found is None and means_itself(records.get(link.target), label):
            return outlook.digest or _unknown(link.target, outlook)
        return revision_digest(found) if found else Unknown(str(link.target), f"version {label}")
    if len(makers) == 1:
        return outlook.digest or _unknown(link.target, outlook)
    return _newest(makers, outlooks, records)


def _standing(graph: Graph, link: Link, records: Mapping[Address, Record]) -> str:
    """What is read in a circle, as it stands: the digest of the newest version that was made for
    a reason of its own. One made because of what its own maker reads is no reason to make
    another, or two resources would take turns for ever. Empty while there is no version.
    """
    found = [
        (revision, record)
        for maker in makers_of(graph, link)
        if (record := records.get(maker))
        and (revision := find_revision(record, link.pointer.revision))
    ]
    if not found:
        return ""
    newest, record = max(found, key=lambda one: version_of(one[0]))
    through = {other.path for other in graph.links(record.address) if other.is_through}
    earlier = [
        revision
        for revision in record.revisions
        if revision.status is RunStatus.SUCCEEDED and revision.number < newest.number
    ]
    for before in reversed(earlier):
        if not _only_read_otherwise(before, newest, through):
            break
        newest = before
    return revision_digest(newest)


def _only_read_otherwise(before: Revision, after: Revision, through: Collection[str]) -> bool:
    """Whether nothing but what stands at these paths led from one revision to the next."""

    def own(revision: Revision) -> dict[str, str]:
        return {path: one for path, one in revision.inputs.items() if path not in through}

    return before.spec == after.spec and before.inputs != after.inputs and own(before) == own(after)


def makers_of(graph: Graph, link: Link) -> list[Address]:
    """Whoever makes versions of what the link points at, the named one first."""
    return [link.target] + [
        other.target
        for other in graph.links(link.source)
        if other.is_feeder and other.path == link.path and other.target.kind == link.target.kind
    ]


def _newest(
    makers: list[Address],
    outlooks: Mapping[Address, Outlook],
    records: Mapping[Address, Record],
) -> str | Unknown:
    for maker in makers:
        if not outlooks[maker].digest and not outlooks[maker].blocked:
            return _unknown(maker, outlooks[maker])
    found = [
        revision
        for maker in makers
        if (record := records.get(maker)) and (revision := record.current_revision)
    ]
    if not found:
        return _unknown(makers[0], outlooks[makers[0]])
    return revision_digest(max(found, key=version_of))


def _unknown(address: Address, outlook: Outlook) -> Unknown:
    return Unknown(str(address), outlook.note)
