"""The questions a dataset must not give away: where the EvalSuites that it reads have them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from loopwright.lake.version import VALIDATION
from loopwright.providers.base import Resolved, Target
from loopwright.providers.local.places import Places
from loopwright.providers.local.recipes import dataset_name


def held_out_files(target: Target, places: Places) -> dict[str, Path]:
    """The file of each set, by `suite/capability/set`.

    Left out are sets drawn from this dataset's own validation split, and sets of datasets that
    have no version yet: a suite is read as it stands.
    """
    return {
        name: path
        for suite_path, suite in target.reads.items()
        if suite.address.kind == "EvalSuite"
        for name, set_path, said in _sets(suite_path, suite)
        if (path := _file(target, places, suite, said, target.reads.get(set_path)))
    }


def _sets(suite_path: str, suite: Resolved) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Name, path of the dataset reference, and what the suite says, of every set."""
    for number, capability in enumerate(suite.spec["capabilities"]):
        for place, said in enumerate(capability["datasets"]):
            name = f"{suite.address.name}/{capability['name']}/{said['name']}"
            yield name, f"{suite_path}.capabilities.{number}.datasets.{place}.dataset", said


def _file(
    target: Target,
    places: Places,
    suite: Resolved,
    said: Mapping[str, Any],
    drawn: Resolved | None,
) -> Path | None:
    if "file" in said:
        return suite.base_dir / str(said["file"])
    if drawn is None or not drawn.outputs or drawn.outputs.get("name") == dataset_name(target):
        return None
    path = places.path(drawn.outputs["path"]) / f"{VALIDATION}.jsonl"
    return path if path.is_file() else None
