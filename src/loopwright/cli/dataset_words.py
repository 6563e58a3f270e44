"""What the `dataset` commands say of a version in the same words."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from loopwright.lake.datasets.version import VersionManifest

AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")


def summary(manifest: VersionManifest) -> dict[str, Any]:
    """A version without its lines, names as in a manifest."""
    return {
        "name": manifest.name,
        "version": manifest.version,
        "digest": manifest.digest,
        "createdAt": manifest.created_at,
        "lakeId": manifest.lake_id,
        "cut": manifest.cut,
        "population": manifest.population,
        "matched": manifest.matched,
        "sampled": manifest.sampled,
        "rows": manifest.kept,
        "dropped": manifest.dropped,
        "leaks": manifest.leaks,
        "notHeldAgainst": manifest.not_held_against,
        "corrected": manifest.corrected,
        "comparison": manifest.comparison,
        "split": manifest.split,
        "tokens": manifest.tokens,
        "files": {name: asdict(facts) for name, facts in manifest.files.items()},
        "parent": asdict(manifest.parent) if manifest.parent else None,
        "tools": manifest.tools,
    }


def said(value: Any) -> str:
    if value is None:
        return "(unset)"
    return f"{value:,}" if isinstance(value, int) else str(value)


def counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def when(manifest: VersionManifest) -> str:
    return manifest.created_at[:16].replace("T", " ")
