"""What a FineTuneJob starts from and trains on, between plan and job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loopwright.errors import LoopwrightError, PermanentError, TuningError
from loopwright.hashing import file_digest
from loopwright.models.bases import Base, pin, resolve
from loopwright.models.card import licence_of
from loopwright.models.served import base_of
from loopwright.models.version import BaseFacts
from loopwright.providers.base import Resolved, Target
from loopwright.providers.local.export_sources import version_of
from loopwright.providers.local.places import Places
from loopwright.providers.local.registered import registry_of


@dataclass(frozen=True, slots=True)
class Start:
    """The model that a run goes on from."""

    folder: Path
    """Full weights."""
    facts: BaseFacts
    """As the registry keeps it of what comes of the run."""
    parameters: int
    adapter: Path | None = None
    """A LoRA adapter on those weights, to go on from."""
    licence: str = ""


def start_arguments(target: Target, places: Places) -> dict[str, Any]:
    """As the arguments of a job have it. Raises PermanentError when there is none here."""
    spec = target.spec
    if "base" in spec:
        return {"base": spec["base"], "pin": base_pin(target, places)}
    found = target.inputs.get("model")
    if found is None or "version" not in found.outputs:
        raise _missing(target, str(spec["model"]))
    return {"model": found.outputs["model"], "version": found.outputs["version"]}


def base_pin(target: Target, places: Places) -> str:
    """What the base's name stands for. Raises ModelError."""
    registry = registry_of(places)
    return pin(
        target.spec["base"], project=places.project, environ=places.environ, pins=registry.pins
    )


def resolved_base(target: Target, places: Places, *, download: bool = False) -> Base:
    """The base model as it lies on this machine. Raises ModelError."""
    return resolve(
        target.spec["base"],
        project=places.project,
        environ=places.environ,
        pins=registry_of(places).pins,
        trust_remote_code=target.spec["trustRemoteCode"],
        download=download,
    )


def start_of(arguments: Mapping[str, Any], places: Places, *, method: str, trusted: bool) -> Start:
    """The model of a job's arguments, fetched if need be, sure to be the one that was planned.

    Raises ModelError, and TuningError when the base is another by now.
    """
    registry = registry_of(places)
    if "base" in arguments:
        base = resolve(
            arguments["base"],
            project=places.project,
            environ=places.environ,
            pins=registry.pins,
            trust_remote_code=trusted,
            download=True,
        )
        if arguments["pin"].startswith("sha256:") and base.digest != arguments["pin"]:
            raise TuningError(
                f"the base model {base.reference} has changed since this run was planned",
                hint="apply again: the plan then says what the change leads to",
            )
        facts = BaseFacts(base.reference, base.revision, base.digest)
        return Start(base.folder, facts, base.parameters, licence=licence_of(base.folder))
    model = registry.get(arguments["model"], arguments["version"])
    registry.verify(model, thorough=False)
    facts = BaseFacts(model.label, "", model.digest)
    if model.kind == "full":
        return Start(model.folder, facts, model.parameters, licence=licence_of(model.folder))
    base = base_of(
        model, registry=registry, project=places.project, environ=places.environ, download=True
    )
    if method == "lora" and model.base is not None:
        facts = model.base
    return Start(base.folder, facts, base.parameters, model.folder, licence_of(base.folder))


def dataset_of(target: Target, path: str) -> Resolved:
    """The dataset at a field. Raises PermanentError when it has no version on this machine."""
    found = target.inputs.get(path)
    if found is None or "path" not in found.outputs:
        raise _missing(target, f"the dataset of spec.{path}")
    return found


def rows_arguments(target: Target) -> dict[str, Any]:
    """Training and validation rows, as the arguments of a job have them."""
    train = dataset_of(target, "dataset")
    validation = target.spec.get("validation") or {}
    held_out = "dataset" in validation and dataset_of(target, "validation.dataset")
    return {
        "dataset": version_of(train),
        "datasetDigest": train.digest,
        "countedTokens": _counted_tokens(train.outputs),
        "validationDataset": version_of(held_out) if held_out else None,
        "validationPercentage": validation.get("percentage", 0),
    }


@dataclass(frozen=True, slots=True)
class Rows:
    """Files of rows, whole as they were built."""

    train: tuple[Path, ...]
    validation: tuple[Path, ...]


def rows_of(arguments: Mapping[str, Any], places: Places) -> Rows:
    """The files of a job's arguments. Without a word on validation, the split that the version
    has of its own is used. Raises DatasetError when a file is not what its manifest says."""
    from loopwright.lake.datasets.version import TRAIN, VALIDATION

    train = _files(arguments["dataset"], places, (TRAIN,))
    if held_out := arguments["validationDataset"]:
        return Rows(train, _files(held_out, places, (TRAIN, VALIDATION)))
    if arguments["validationPercentage"]:
        return Rows(train, ())
    return Rows(train, _files(arguments["dataset"], places, (VALIDATION,)))


def _files(version: Mapping[str, Any], places: Places, splits: tuple[str, ...]) -> tuple[Path, ...]:
    from loopwright.errors import DatasetError
    from loopwright.lake.datasets.catalog import Catalog, file_name

    catalog = Catalog(places.path(version["datasets"]))
    manifest = catalog.load(version["name"], version["version"])
    found = []
    for split in splits:
        facts = manifest.files.get(file_name(split))
        if facts is None or not facts.rows:
            continue
        path = catalog.folder(manifest.name, manifest.version) / file_name(split)
        if file_digest(path).removeprefix("sha256:") != facts.sha256:
            raise DatasetError(
                f"{path} is not the file that was built",
                hint=f"`loopwright dataset verify {manifest.name}` names the lines",
            )
        found.append(path)
    return tuple(found)


def _counted_tokens(outputs: Mapping[str, Any]) -> int:
    """Tokens of the training rows as the recorded calls counted them."""
    rows = outputs.get("rows") or 0
    return round(outputs.get("tokens", 0) * outputs.get("trainRows", 0) / rows) if rows else 0


def _missing(target: Target, what: str) -> LoopwrightError:
    return PermanentError(
        f"cannot train for {target.address}: {what} is not on this machine",
        address=str(target.address),
        hint="apply it first, with a Provider of type local",
    )
