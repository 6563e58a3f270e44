"""A registered model as a folder that anybody's transformers or PEFT loads, or nothing."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Literal

import orjson

from loopwright.disk import Disk
from loopwright.errors import ModelError
from loopwright.models.bases import Base
from loopwright.models.card import CARD, card, licence_of
from loopwright.models.contents import deciding_files
from loopwright.models.registry import Registry
from loopwright.models.served import Servable
from loopwright.models.version import ModelVersion
from loopwright.models.weights import ADAPTER_CONFIG, parameter_count, read_json

Form = Literal["full", "adapter", "merged"]


def export(
    version: ModelVersion, target: Path, *, registry: Registry, base: Base | None, merged: bool
) -> Form:
    """Write a verified revision to `target`, a new or empty folder; what form it was written in.

    With `merged` an adapter is put into the weights of its `base`. Raises ModelError: tampered
    files, a folder in use, a base that is not at hand.
    """
    _refuse_used(target)
    registry.verify(version)
    with _whole_or_nothing(target) as staged:
        return _write(version, staged, base=base, merged=merged)


def export_base(folder: Path, target: Path) -> None:
    """Copy what belongs to a base model to `target`, a new or empty folder. Raises ModelError."""
    _refuse_used(target)
    with _whole_or_nothing(target) as staged:
        for name in (*deciding_files(folder), CARD):
            if (folder / name).is_file():
                (staged / name).parent.mkdir(exist_ok=True)
                shutil.copyfile(folder / name, staged / name)


@contextmanager
def _whole_or_nothing(target: Path) -> Iterator[Path]:
    """A folder beside `target` that takes its place at the end, or goes."""
    disk, target = Disk(), target.absolute()
    disk.make_folders(target.parent)
    staged = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    try:
        staged.mkdir()
        yield staged
        if target.is_dir():
            target.rmdir()
        disk.rename(staged, target)
    except OSError as error:
        raise ModelError(f"cannot write {target}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def _write(version: ModelVersion, staged: Path, *, base: Base | None, merged: bool) -> Form:
    if version.kind == "full":
        _copy(version, staged)
        return "full"
    if base is None:
        raise ModelError(f"the base model of {version.label} is not at hand")
    if not merged:
        _copy(version, staged)
        _point_at(base, staged)
        return "adapter"
    from loopwright.models.merging import merge

    merge(
        Servable(
            label=version.label,
            digest=version.digest,
            weights=base.folder,
            weights_digest=base.digest,
            adapter=version.folder,
            trust_remote_code=base.trust_remote_code,
        ),
        staged,
    )
    note = f"The adapter {version.label} ({version.digest}), merged into the weights of its base."
    whole = replace(version, kind="full", parameters=parameter_count(staged), files={})
    licence = licence_of(version.folder) or licence_of(base.folder)
    (staged / CARD).write_text(card(whole, licence=licence, note=note), encoding="utf-8")
    return "merged"


def _copy(version: ModelVersion, staged: Path) -> None:
    for name in (*version.files, CARD):
        (staged / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(version.folder / name, staged / name)


def _point_at(base: Base, staged: Path) -> None:
    """PEFT finds a hub name by itself; anything else it needs as a path."""
    config = read_json(staged / ADAPTER_CONFIG)
    if not base.revision:
        config["base_model_name_or_path"] = str(base.folder.absolute())
    else:
        config["base_model_name_or_path"] = base.reference.partition("@")[0]
        config["revision"] = base.revision
    data = orjson.dumps(config, option=orjson.OPT_INDENT_2)
    (staged / ADAPTER_CONFIG).write_bytes(data + b"\n")


def _refuse_used(target: Path) -> None:
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ModelError(f"{target} is there already", hint="name a new or an empty folder")
