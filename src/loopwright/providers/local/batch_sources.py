"""What a BatchInference reads, between plan and job: a file, a dataset version, an export."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loopwright.errors import InferenceError, PermanentError
from loopwright.providers.base import Resolved, Target
from loopwright.providers.local.export_sources import version_of
from loopwright.providers.local.lake_place import lake_arguments
from loopwright.providers.local.places import Places

if TYPE_CHECKING:
    from loopwright.inference.batch import Lines

_LINES = ".jsonl"


def input_arguments(target: Target, places: Places) -> dict[str, Any]:
    """As the arguments of a job have it. Raises PermanentError when it is not on this machine."""
    said = target.spec["input"]
    if "file" in said:
        return {"files": [places.text(target.base_dir / said["file"])]}
    name = "dataset" if "dataset" in said else "export"
    found = target.inputs.get(f"input.{name}")
    if found is None or "path" not in found.outputs:
        raise PermanentError(
            f"cannot ask for {target.address}: {said[name]} has made nothing on this machine yet",
            address=str(target.address),
            hint="apply it first, with a Provider of type local",
        )
    return {"version": version_of(found)} if name == "dataset" else _exported(target, found)


def _exported(target: Target, found: Resolved) -> dict[str, Any]:
    if "masterKey" in found.outputs:
        name = found.outputs["inferenceDataset"]
        return {"calls": {"name": name, "lake": lake_arguments(found)}}
    place = str(found.outputs["path"])
    if "://" in place:
        raise PermanentError(
            f"cannot ask for {target.address}: {found.address} lies in {place}, an object store",
            address=str(target.address),
            hint="export to a folder, or to an inference dataset",
        )
    names = sorted(name for name in found.outputs["files"] if name.endswith(_LINES))
    return {"files": [f"{place.rstrip('/')}/{name}" for name in names]}


def lines_of(arguments: Mapping[str, Any], places: Places) -> Lines:
    """The lines of an input, from the first, as often as they are asked for.

    Raises InferenceError when a file cannot be read, LakeError when calls cannot.
    """
    if "version" in arguments:
        return lambda: _version_lines(arguments["version"], places)
    if "calls" in arguments:
        return lambda: _call_lines(arguments["calls"], places)
    paths = [places.path(text) for text in arguments["files"]]
    return lambda: _file_lines(paths)


def _file_lines(paths: Iterable[Path]) -> Iterator[tuple[str, str, bytes]]:
    count = 0
    for path in paths:
        try:
            with path.open("rb") as lines:
                for number, line in enumerate(lines, start=1):
                    count += 1
                    yield f"{path.name}:{number}", f"line-{count}", line
        except OSError as error:
            raise InferenceError(f"cannot read {path}: {error.strerror}") from error


def _version_lines(version: Mapping[str, Any], places: Places) -> Iterator[tuple[str, str, bytes]]:
    """Each is called by the call that it renders, so that answers can be joined to calls."""
    from loopwright.lake.datasets.catalog import Catalog, file_name

    catalog = Catalog(places.path(version["datasets"]))
    name, number = version["name"], version["version"]
    manifest = catalog.load(name, number)
    left: dict[str, Iterator[str]] = {}
    known = catalog.lines_left(manifest)
    for split in manifest.split["lines"]:
        left[split] = iter([line.call_id for line in known if line.split == split])
    for split, call_ids in left.items():
        path = catalog.folder(name, number) / file_name(split)
        if path.name not in manifest.files:
            continue
        for place, (_, _, data) in enumerate(_file_lines([path]), start=1):
            yield f"{name} v{number} {path.name}:{place}", next(call_ids), data


def _call_lines(calls: Mapping[str, Any], places: Places) -> Iterator[tuple[str, str, bytes]]:
    """The calls of an inference dataset, oldest first."""
    from loopwright.lake.keys import Role
    from loopwright.lake.sql.request import Limits, quote
    from loopwright.lake.sql.rows import json_lines
    from loopwright.providers.local.export_sources import QuerySource

    name = calls["name"]
    source = QuerySource(
        lake=calls["lake"],
        query=f"SELECT call_id, operation, request FROM {quote(name)} ORDER BY ts, call_id",
        view=name,
    )
    limits = Limits(seconds=None, threads=1)
    with source.asked(places, role=Role.STANDARD, limits=limits) as answer:
        for number, row in enumerate(json_lines(answer.schema, answer.batches()), start=1):
            yield f"{name}:{number}", f"line-{number}", row
