"""Checkpoints that are whole or not there: a seal, written last, lists the files and their sizes.

A folder without its seal is what a kill left behind; it is passed over and removed.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

_PREFIX = "checkpoint-"
_SEAL = "sealed.json"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A whole checkpoint."""

    folder: Path
    step: int
    finished: bool
    """Whether training had come to its end: nothing is left but to keep the weights."""
    best: str = ""
    """Name of the checkpoint folder with the lowest validation loss, where one is chosen."""

    @property
    def weights(self) -> Path:
        """Where the weights are that the run keeps."""
        best = self.folder.parent / self.best
        return best if self.best and best.is_dir() else self.folder


def seal(folder: Path, *, finished: bool, best: str = "") -> None:
    """Declare the checkpoint whole."""
    files = {path.name: path.stat().st_size for path in folder.iterdir() if path.is_file()}
    files.pop(_SEAL, None)
    stated = {"files": files, "finished": finished, "best": best}
    temporary = folder / f".{_SEAL}.tmp"
    with temporary.open("wb") as handle:
        handle.write(orjson.dumps(stated))
        handle.flush()
        os.fsync(handle.fileno())
    os.replace(temporary, folder / _SEAL)


def whole(run_folder: Path) -> list[Checkpoint]:
    """Every whole checkpoint, the oldest first."""
    folders = run_folder.glob(f"{_PREFIX}*")
    found = [checkpoint for folder in folders if (checkpoint := _read(folder)) is not None]
    return sorted(found, key=lambda checkpoint: checkpoint.step)


def newest(run_folder: Path) -> Checkpoint | None:
    """The one to go on from; what a kill left half written is removed."""
    found = whole(run_folder)
    sound = {checkpoint.folder for checkpoint in found}
    for folder in run_folder.glob(f"{_PREFIX}*"):
        if folder not in sound:
            shutil.rmtree(folder, ignore_errors=True)
    return found[-1] if found else None


def keep_last(run_folder: Path, count: int, *, best: str = "") -> None:
    """Remove all but the last `count`, and the best one."""
    for checkpoint in whole(run_folder)[:-count]:
        if checkpoint.folder.name != best:
            # The seal first: a kill in the middle leaves no folder that looks whole.
            (checkpoint.folder / _SEAL).unlink(missing_ok=True)
            shutil.rmtree(checkpoint.folder, ignore_errors=True)


def _read(folder: Path) -> Checkpoint | None:
    try:
        stated: dict[str, Any] = orjson.loads((folder / _SEAL).read_bytes())
        step = int(folder.name.removeprefix(_PREFIX))
        files: Mapping[str, int] = stated["files"]
        if any((folder / name).stat().st_size != size for name, size in files.items()):
            return None
        return Checkpoint(folder, step, stated["finished"], stated["best"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
