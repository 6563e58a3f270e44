"""Lines that were erased from a dataset version, or from a copy of one that was exported.

The version's manifest stays as it was written, so its digest and Merkle leaves do; beside it
`erased.json` says which of its lines are gone, and what its files are without them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import orjson
from pydantic import TypeAdapter, ValidationError

from loopwright.disk import Disk
from loopwright.errors import DatasetError
from loopwright.hashing import file_digest
from loopwright.lake.datasets.version import SPLITS, VersionFile, VersionManifest

ERASED = "erased.json"
_MANIFEST = "manifest.json"
_STAGED = ".less"


@dataclass(frozen=True, slots=True)
class ErasedLines:
    """Places in the manifest's lines, from 0, and the files that lost some."""

    lines: frozenset[int] = frozenset()
    files: Mapping[str, VersionFile] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.lines)


_ERASED = TypeAdapter(ErasedLines)


def erased_lines(folder: Path) -> ErasedLines:
    """What was erased from the version in `folder`. Raises DatasetError when that is damaged."""
    path = folder / ERASED
    try:
        return _ERASED.validate_json(path.read_bytes())
    except FileNotFoundError:
        return ErasedLines()
    except ValidationError as error:
        raise DatasetError(f"{path} is damaged", hint="restore it from a backup") from error


def lines_about(folder: Path, call_ids: Collection[str]) -> int:
    """How many lines of the version in `folder` render one of these calls, or did."""
    return len(_places(_manifest(folder), call_ids))


def erase_lines(folder: Path, call_ids: Collection[str], *, disk: Disk) -> int:
    """Take the lines of these calls out of the version in `folder`; how many went.

    Durable when it returns. After a crash calling it again finishes it. Raises DatasetError when
    a file is not what was written.
    """
    manifest, before = _manifest(folder), erased_lines(folder)
    _swap(folder, before, disk)
    new = _places(manifest, call_ids) - before.lines
    if not new:
        return 0
    files = dict(before.files)
    for split in SPLITS:
        name = f"{split}.jsonl"
        held = [
            place
            for place, line in enumerate(manifest.lines)
            if line.split == split and place not in before.lines
        ]
        if not new.isdisjoint(held):
            kept = [place not in new for place in held]
            files[name] = _without(folder / name, kept, disk)
    erased = {"lines": sorted(before.lines | new), "files": files}
    disk.write_atomic(folder / ERASED, orjson.dumps(erased))
    _swap(folder, erased_lines(folder), disk)
    return len(new)


def _manifest(folder: Path) -> VersionManifest:
    path = folder / _MANIFEST
    try:
        return VersionManifest.from_bytes(path.read_bytes(), source=str(path))
    except OSError as error:
        raise DatasetError(f"Cannot read {path}: {error.strerror}") from error


def _places(manifest: VersionManifest, call_ids: Collection[str]) -> set[int]:
    wanted = set(call_ids)
    return {place for place, line in enumerate(manifest.lines) if line.call_id in wanted}


def _without(path: Path, kept: list[bool], disk: Disk) -> VersionFile:
    """Stage the file with its kept lines alone; what it will be."""
    running, size, rows = hashlib.sha256(), 0, 0
    with disk.staged(_staged(path)) as handle:
        for line in _lines(path, kept):
            handle.write(line)
            running.update(line)
            size, rows = size + len(line), rows + 1
    return VersionFile(running.hexdigest(), size, rows)


def _lines(path: Path, kept: list[bool]) -> Iterator[bytes]:
    """The kept lines of a file that has as many lines as `kept` says."""
    try:
        with path.open("rb") as handle:
            for line, stays in zip(handle, kept, strict=True):
                if stays:
                    yield line
    except OSError as error:
        raise DatasetError(f"Cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise DatasetError(
            f"cannot take lines out of {path}: it has not the {len(kept)} lines that were written",
            hint="`loopwright dataset verify` tells more; restore it, or remove it",
        ) from error


def _swap(folder: Path, erased: ErasedLines, disk: Disk) -> None:
    """Put what is staged in place; what belongs to no finished staging is left over."""
    for name, facts in erased.files.items():
        staged = _staged(folder / name)
        if staged.exists() and file_digest(staged) == f"sha256:{facts.sha256}":
            disk.rename(staged, folder / name)
    for left in folder.glob(f".*{_STAGED}"):
        disk.discard(left)
    disk.sync_folder(folder)


def _staged(path: Path) -> Path:
    return path.with_name(f".{path.name}{_STAGED}")
