"""A filled folder on its way into the registry: what it is, and nothing in it that should not be.

Ends with every byte durable, so that moving the folder in is all that is left.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import orjson

from loopwright.disk import Disk
from loopwright.errors import ModelError
from loopwright.models.card import CARD
from loopwright.models.contents import (
    deciding_files,
    has_own_code,
    kept_files,
    refuse_custom_code,
)
from loopwright.models.digests import Digests, content_digest
from loopwright.models.version import ModelVersion
from loopwright.models.weights import ADAPTER_CONFIG, parameter_count, read_json


def described(staged: Path, bare: ModelVersion, digests: Digests) -> ModelVersion:
    """The revision with what its staged files tell: facts, digest, parameters.

    Raises ModelError: nothing staged, no safetensors, code that is not trusted, a link, an
    adapter without a base.
    """
    if not staged.is_dir():
        raise ModelError(f"nothing is staged for {bare.label}", hint="run the job again")
    refuse_custom_code(staged, trusted=bare.trust_remote_code)
    if bare.kind == "adapter":
        _name_base(staged, bare)
    names = kept_files(staged, code=has_own_code(staged))
    if links := [name for name in names if (staged / name).is_symlink()]:
        raise ModelError(f"{staged / links[0]} is a link, not a file of the model")
    files = digests.files(staged, names)
    deciding = deciding_files(staged, code=has_own_code(staged))
    base = bare.base.digest if bare.base is not None and bare.kind == "adapter" else ""
    return replace(
        bare,
        files=files,
        digest=content_digest({name: files[name] for name in deciding}, base=base),
        parameters=parameter_count(staged),
    )


def seal(staged: Path, card: str, *, keep: Collection[str], disk: Disk) -> None:
    """Take out all but what is kept, put the card in, and make it durable."""
    for path in staged.iterdir():
        if path.is_dir() and not any(name.startswith(f"{path.name}/") for name in keep):
            shutil.rmtree(path)
        elif not path.is_dir() and path.name not in keep:
            path.unlink()
    disk.write_atomic(staged / CARD, card.encode())
    for name in keep:
        _sync(staged / name)
    for folder in {(staged / name).parent for name in keep}:
        disk.sync_folder(folder)


def _name_base(staged: Path, bare: ModelVersion) -> None:
    """Write the base's reference where training wrote a path of its machine, and sort its sets.

    So that the same training gives the same digest wherever the project lies, in every process.
    """
    if bare.base is None:
        raise ModelError(
            f"{bare.label} is an adapter, and nothing says what it is put on",
            hint="name its base model in spec.base",
        )
    config = read_json(staged / ADAPTER_CONFIG)
    config["base_model_name_or_path"] = bare.base.reference
    config["revision"] = bare.base.revision or None
    for field in ("target_modules", "modules_to_save", "exclude_modules"):
        if isinstance(config.get(field), list):
            config[field] = sorted(config[field])
    data = orjson.dumps(config, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS)
    (staged / ADAPTER_CONFIG).write_bytes(data + b"\n")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
