"""What loopwright.yaml says of gateway and principals, held against what the last apply read.

These are settings of the project and of no resource: a plan shows them with its endpoints.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from loopwright.daemon.declared import DaemonFolder
from loopwright.daemon.project import applied_project
from loopwright.manifests.project import Project
from loopwright.providers.base import FieldChange
from loopwright.providers.local.places import Places


def unapplied(places: Places) -> tuple[FieldChange, ...]:
    """Every setting that an apply would change. Raises DaemonError on a damaged record."""
    before = dict(_settings(applied_project(DaemonFolder(places.state).path)))
    after = dict(_settings(places.file))
    return tuple(
        FieldChange(path, before.get(path), after.get(path))
        for path in sorted(before.keys() | after.keys())
        if before.get(path) != after.get(path)
    )


def _settings(project: Project) -> Iterator[tuple[str, Any]]:
    said = project.model_dump(
        mode="json", by_alias=True, include={"gateway", "principals"}, exclude_none=True
    )
    for name, value in said["gateway"].items():
        yield f"gateway.{name}", value
    for principal in said["principals"]:
        yield f"principals.{principal.pop('name')}", principal
