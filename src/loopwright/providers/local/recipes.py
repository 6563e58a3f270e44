"""A Dataset spec as the data plane wants it: a recipe, and the name and owner of its versions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loopwright.providers.base import Target
from loopwright.providers.local.lake_place import lake_arguments
from loopwright.resources.address import Address

RECEIPTS = ".receipts"
"""Folder beside the datasets; none of them can have this name."""

_DECIDING = ("filter", "sampling", "cleaning", "split", "format", "targets", "lineFormat")


def recipe_spec(spec: Mapping[str, Any]) -> dict[str, Any]:
    """What `Recipe.from_spec` reads. Without a ratio or a count, all calls are drawn."""
    found = {name: spec[name] for name in _DECIDING if name in spec}
    sampling = dict(found.get("sampling", {}))
    if "count" not in sampling:
        sampling.setdefault("ratio", 1.0)
    return {**found, "sampling": sampling}


def source_lake(target: Target) -> dict[str, Any]:
    """How to open the lake that is drawn from: a Lake's, or an inference dataset's own.

    Raises PermanentError when it is not in place here.
    """
    path = "source.lake" if "lake" in target.spec["source"] else "source.inferenceDataset"
    return lake_arguments(target.inputs.get(path))


def dataset_name(target: Target) -> str:
    """The name that its versions are kept under: with `versionOf`, the one of that series."""
    said = target.spec.get("target", {})
    if named := said.get("versionOf"):
        series = target.inputs.get("target.versionOf")
        told = series and (series.outputs.get("name") or series.spec.get("target", {}).get("new"))
        return str(told or Address.parse(named).name)
    return str(said.get("new") or target.address.name)


def series_owner(target: Target) -> str:
    """Owner tag of the series: with `versionOf`, of the Dataset that began it."""
    named = target.spec.get("target", {}).get("versionOf")
    if not named:
        return target.owner
    return target.owner.removesuffix(str(target.address)) + str(named)
