"""What of a fine-tune run is kept: the model's files, models of the checkpoints before it, and
of earlier revisions no more than the connection says.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any

from loopwright.daemon.declared import DaemonFolder
from loopwright.models.contents import deciding_files
from loopwright.models.version import ModelVersion
from loopwright.providers.local.job_folder import JobFolder
from loopwright.providers.local.places import Places
from loopwright.providers.local.registered import model_receipts, registry_of

CHECKPOINTS = "checkpoints"
_WEIGHTS = ".safetensors"


def bring(source: Path, target: Path) -> None:
    """The files of a folder in another, so that both are whole whenever this is killed."""
    target.mkdir(parents=True, exist_ok=True)
    for path in sorted(source.rglob("*")):
        if path.is_file():
            place = target / path.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            _bring_file(path, place)


def keep_checkpoints(
    version: ModelVersion, checkpoints: Mapping[str, str], places: Places, *, count: int
) -> dict[str, str]:
    """Models of the newest `count` checkpoints before the last one, under the revision.

    Each is a model folder of its own, without the state of the optimizer. Path by step.
    """
    earlier = sorted(checkpoints.items(), key=lambda found: int(found[0]))[:-1]
    kept = {}
    for step, text in earlier[-count:] if count else ():
        folder = version.folder / CHECKPOINTS / f"step-{step}"
        if not folder.is_dir():
            _keep(Path(text), folder)
        kept[step] = places.text(folder)
    return kept


def prune(name: str, places: Places) -> tuple[str, ...]:
    """Let earlier revisions go as the connection says; labels of those that went."""
    if places.settings.keep_models is None:
        return ()
    protected = (*_served(places), *_worked_with(places))
    gone = registry_of(places).prune(name, places.settings.keep_models, protected=protected)
    for version in gone:
        model_receipts(places).remove(version.label)
    return tuple(version.label for version in gone)


def _keep(source: Path, target: Path) -> None:
    staging = target.with_name(f".{target.name}.tmp")
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    for name in deciding_files(source):
        (staging / name).parent.mkdir(parents=True, exist_ok=True)
        _bring_file(source / name, staging / name)
    staging.rename(target)


def _bring_file(source: Path, target: Path) -> None:
    """Weights by a second name where the disk can: they are large, and never written again."""
    target.unlink(missing_ok=True)
    if source.name.endswith(_WEIGHTS):
        with suppress(OSError):
            os.link(source, target)
            return
    shutil.copyfile(source, target)


def _served(places: Places) -> Iterator[str]:
    """Labels and digests of what endpoints here serve, or are about to."""
    for declared in DaemonFolder(places.state).endpoints.all():
        yield from _named([declared.serves, declared.canary])


def _worked_with(places: Places) -> Iterator[str]:
    """Labels of what jobs that have not ended answer with, or go on from."""
    for path in places.jobs.glob("*/job.json"):
        folder = JobFolder(path.parent)
        job, status = folder.job(), folder.status()
        if job and not folder.is_cancelled and not (status and status.status.is_terminal):
            for said in (job.arguments, job.arguments.get("start")):
                if isinstance(said, Mapping) and {"model", "version"} <= said.keys():
                    yield f"{said['model']}@{said['version']}"


def _named(said: Any) -> Iterator[str]:
    if isinstance(said, Mapping):
        found = (said[key] for key in ("label", "digest") if isinstance(said.get(key), str))
        yield from chain(found, *map(_named, said.values()))
    elif isinstance(said, list | tuple):
        yield from chain.from_iterable(map(_named, said))
