"""What a project has come to, less what differs between two that came to the same (ids, times)."""

from __future__ import annotations

from collections import Counter
from typing import Any

from loopwright.state.records import Record
from support.projects import TestProject


def portrait(project: TestProject) -> dict[str, Any]:
    """Records and world objects, comparable between projects."""
    records = project.records()
    names = {found.external_id: str(address) for address, found in records.items()}
    return {
        "records": {str(address): _record(found, names) for address, found in records.items()},
        "world": sorted(
            (
                thing.kind,
                thing.name,
                thing.revision or 0,
                repr(sorted(thing.spec.items())),
                str(thing.outputs.get("digest", "")),
            )
            for thing in project.world.objects()
        ),
    }


def orphans(project: TestProject) -> set[str]:
    """Objects that bear an owner tag and that no record knows, less what a replace was to keep."""
    records = project.records()
    known = {
        found
        for record in records.values()
        for found in (record.external_id, *(revision.external_id for revision in record.revisions))
    }
    kept = {str(at) for at, found in records.items() if found.keeps_remote and not found.revisions}
    return {
        thing.id
        for thing in project.world.objects()
        if thing.owner and thing.owner.partition("/")[2] not in kept
    } - known


def creations(project: TestProject) -> Counter[str]:
    """How many objects were made of each resource."""
    return Counter(write.address for write in project.writes("create"))


def _record(record: Record, names: dict[str, str]) -> dict[str, Any]:
    return {
        "spec": record.spec,
        "digest": record.digest,
        "inputs": {path: names.get(value, value) for path, value in record.inputs.items()},
        "current": record.current,
        "revisions": [
            (found.number, found.status, found.fingerprint) for found in record.revisions
        ],
        "pending": record.pending,
        "retained": record.retained,
        "promoted": record.promoted.get("value"),
    }
