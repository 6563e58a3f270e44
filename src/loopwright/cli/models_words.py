"""What the `models` commands say of a revision in the same words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from loopwright.models.version import ModelVersion

AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
SHORT = len("sha256:") + 12


def summary(
    version: ModelVersion, *, aliases: Sequence[str], served_by: Sequence[str]
) -> dict[str, Any]:
    """A revision as JSON, names as in a manifest."""
    return {
        "name": version.name,
        "version": version.version,
        "kind": version.kind,
        "digest": version.digest,
        "base": asdict(version.base) if version.base else None,
        "parameters": version.parameters,
        "bytes": version.size,
        "aliases": list(aliases),
        "servedBy": list(served_by),
        "owner": version.owner,
        "createdAt": version.created_at,
        "lineage": version.lineage,
        "metrics": version.metrics,
        "files": {name: asdict(facts) for name, facts in version.files.items()},
        "path": str(version.folder),
        "trustRemoteCode": version.trust_remote_code,
    }


def when(version: ModelVersion) -> str:
    return version.created_at[:16].replace("T", " ")


def number(value: object) -> str:
    """A metric for people."""
    if isinstance(value, float):
        return f"{value:.6g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
