"""Registered models as state tells them: the outputs that jobs and imports share."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from loopwright.errors import ModelError
from loopwright.models.registry import Registry
from loopwright.models.version import RECORD, ModelVersion
from loopwright.providers.base import Observed
from loopwright.providers.local.places import Places
from loopwright.providers.local.receipts import Receipts

_RECEIPTS = ".receipts"


def registry_of(places: Places) -> Registry:
    """The model registry of a provider."""
    return Registry(places.models)


def model_receipts(places: Places) -> Receipts:
    """Of the jobs that registered models: beside the models, so that they move together."""
    return Receipts(places.models / _RECEIPTS)


def model_outputs(version: ModelVersion, places: Places) -> dict[str, Any]:
    """What others are told of a revision; aliases as they are now."""
    base = version.base
    return {
        "model": version.name,
        "version": version.version,
        "digest": version.digest,
        "path": places.text(version.folder),
        "kind": version.kind,
        "base": base.reference if base else "",
        "baseDigest": base.digest if base else "",
        "parameters": version.parameters,
        **alias_outputs(version.name, version.version, places),
    }


def alias_outputs(name: str, version: int, places: Places) -> dict[str, Any]:
    """The aliases of a revision, and those of its whole series: people move them at any time."""
    every = registry_of(places).aliases(name)
    mine = sorted(alias for alias, number in every.items() if number == version)
    return {"aliases": mine, "aliased": dict(sorted(every.items()))}


def is_registered(label: str, places: Places) -> bool:
    """Whether the revision `NAME@N` is in the registry, whole."""
    name, at, number = label.rpartition("@")
    return bool(at) and (registry_of(places).root / name / f"v{number}" / RECORD).is_file()


def checked(found: Observed, places: Places) -> Observed:
    """A revision as it is seen; not ready, and why, when its files are not what was registered."""
    name, _, number = found.external_id.rpartition("@")
    registry = registry_of(places)
    try:
        registry.verify(registry.get(name, int(number)), thorough=False)
    except ModelError as error:
        return replace(found, ready=False, status=error.message)
    return found


def told_now(outputs: dict[str, Any], places: Places) -> dict[str, Any]:
    """Recorded outputs of a revision, with its aliases as they are now."""
    if "model" not in outputs or "version" not in outputs:
        return outputs
    return outputs | alias_outputs(outputs["model"], outputs["version"], places)
