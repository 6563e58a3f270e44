"""The questions a dataset must not give away: where the EvalSuites that it reads have them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from loopwright.lake.datasets.version import VALIDATION
from loopwright.providers.base import Resolved, Target
from loopwright.providers.local.places import Places
from loopwright.providers.local.recipes import dataset_name


def held_out_files(target: Target, places: Places) -> dict[str, Path]:
    """The file of each set, by `suite/capability/set`.

    Left out are sets drawn from this dataset's own validation split, and those that
    `not_held_against` tells.
    """
    found = _places_of(target, places)
    return {name: path for name, path in found.items() if isinstance(path, Path)}


def not_held_against(target: Target, places: Places) -> dict[str, str]:
    """Why a set could not be looked at, by `suite/capability/set`: where Datasets draw on each
    other, one of them comes first."""
    found = _places_of(target, places)
    return {name: why for name, why in found.items() if isinstance(why, str)}


def _places_of(target: Target, places: Places) -> dict[str, Path | str]:
    """The file of each set, or why there is none."""
    return {
        name: found
        for suite_path, suite in target.reads.items()
        if suite.address.kind == "EvalSuite"
        for name, set_path, said in _sets(suite_path, suite)
        if (found := _place(target, places, suite, said, target.reads.get(set_path)))
    }


def _sets(suite_path: str, suite: Resolved) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Name, path of the dataset reference, and what the suite says, of every set."""
    for number, capability in enumerate(suite.spec["capabilities"]):
        for place, said in enumerate(capability["datasets"]):
            name = f"{suite.address.name}/{capability['name']}/{said['name']}"
            yield name, f"{suite_path}.capabilities.{number}.datasets.{place}.dataset", said


def _place(
    target: Target,
    places: Places,
    suite: Resolved,
    said: Mapping[str, Any],
    drawn: Resolved | None,
) -> Path | str | None:
    if "file" in said:
        return suite.base_dir / str(said["file"])
    if drawn is None or _is_own(target, drawn):
        return None
    if not drawn.outputs:
        return "no version yet"
    path = places.path(drawn.outputs["path"]) / f"{VALIDATION}.jsonl"
    return path if path.is_file() else "no validation split"


def _is_own(target: Target, drawn: Resolved) -> bool:
    """Whether a set is drawn from the series that the target adds to."""
    mine = target.spec.get("target", {}).get("versionOf") or str(target.address)
    theirs = drawn.spec.get("target", {}).get("versionOf") or str(drawn.address)
    return mine == theirs or drawn.outputs.get("name") == dataset_name(target)
