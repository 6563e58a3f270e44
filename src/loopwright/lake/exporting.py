"""A dataset version copied out to a folder: whole, or not at all.

The lines are checked against the version's manifest as they go, so a damaged version is never
handed on.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import orjson

from loopwright.errors import DatasetError
from loopwright.hashing import file_digest
from loopwright.lake.catalog import MANIFEST, Catalog, LineFile
from loopwright.lake.disk import Disk
from loopwright.lake.erased_lines import ERASED
from loopwright.lake.recipe import Recipe
from loopwright.lake.sft_schemas import SCHEMAS
from loopwright.lake.version import VersionFile, VersionManifest

_REPORT_EVERY = 1000


@dataclass(frozen=True)
class ExportProgress:
    """Lines copied so far, of all."""

    copied: int
    total: int


@dataclass(frozen=True)
class ExportResult:
    """Where an export lies and what is in it. `written` is False when it was there already."""

    destination: Path
    files: Mapping[str, VersionFile]
    written: bool


def export_version(
    catalog: Catalog,
    name: str,
    version: int,
    destination: Path,
    *,
    fields: Sequence[str] | None = None,
    progress: Callable[[ExportProgress], None] | None = None,
) -> ExportResult:
    """Put a version's lines and its manifest in a new folder.

    `fields` keeps only these top-level keys of each line; None keeps all. The same content at
    the destination is left alone. Raises DatasetError on other content there, on a version whose
    files are not what its manifest says, and on a field that its lines cannot have.
    """
    manifest = catalog.load(name, version)
    _check_fields(fields or (), manifest)
    disk = catalog.disk
    disk.make_folders(destination.parent)
    staging = destination.with_name(f".{destination.name}.{secrets.token_hex(6)}.tmp")
    disk.make_folders(staging)
    try:
        files = _copy(catalog, manifest, staging, fields, progress)
        written = _settle(disk, staging, destination)
    finally:
        _discard(disk, staging)
    return ExportResult(destination, files, written)


def _check_fields(fields: Sequence[str], manifest: VersionManifest) -> None:
    known = SCHEMAS[Recipe.from_spec(manifest.recipe).line_format]["properties"]
    if unknown := sorted(set(fields) - set(known)):
        raise DatasetError(
            f"A line of {manifest.name} v{manifest.version} cannot have {unknown[0]!r}",
            hint=f"Its fields are {', '.join(known)}.",
        )


def _copy(
    catalog: Catalog,
    manifest: VersionManifest,
    staging: Path,
    fields: Sequence[str] | None,
    progress: Callable[[ExportProgress], None] | None,
) -> dict[str, VersionFile]:
    source = catalog.folder(manifest.name, manifest.version)
    copied, files = 0, {}
    for file, facts in manifest.files.items():
        with catalog.disk.staged(staging / file) as handle:
            target = LineFile(handle)
            for line in _checked_lines(source / file, facts):
                target.write(line if fields is None else _reduced(line, fields))
                copied += 1
                if progress and copied % _REPORT_EVERY == 0:
                    progress(ExportProgress(copied, manifest.kept))
        files[file] = target.facts
    catalog.disk.write_atomic(staging / MANIFEST, manifest.to_bytes())
    if (source / ERASED).is_file():
        catalog.disk.write_atomic(staging / ERASED, (source / ERASED).read_bytes())
    if progress:
        progress(ExportProgress(copied, manifest.kept))
    return files


def _checked_lines(path: Path, facts: VersionFile) -> Iterator[bytes]:
    """The lines without newlines. Raises DatasetError at the end when the file was changed."""
    whole = sha256()
    try:
        with path.open("rb") as handle:
            for data in handle:
                whole.update(data)
                yield data.removesuffix(b"\n")
    except OSError as error:
        raise DatasetError(f"Cannot read {path}: {error.strerror}") from error
    if whole.hexdigest() != facts.sha256:
        raise DatasetError(
            f"{path} is not the file that was written",
            hint="`loopwright dataset verify` names the lines.",
        )


def _reduced(line: bytes, fields: Sequence[str]) -> bytes:
    whole = orjson.loads(line)
    return orjson.dumps({key: value for key, value in whole.items() if key in fields})


def _settle(disk: Disk, staging: Path, destination: Path) -> bool:
    """Give the staged folder its name, unless the same content has it already."""
    present = _contents(destination)
    if present == _contents(staging):
        return False
    if present:
        raise DatasetError(
            f"{destination} already holds something else",
            hint="Export to a new folder, or remove this one first.",
        )
    try:
        disk.rename(staging, destination)
    except OSError as error:
        raise DatasetError(f"Cannot export to {destination}: {error.strerror}") from error
    disk.sync_folder(destination.parent)
    return True


def _contents(folder: Path) -> dict[str, str] | None:
    """Digest by relative path; None where there is nothing or an empty folder."""
    if not folder.is_dir():
        return {"": file_digest(folder)} if folder.exists() else None
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): file_digest(path) for path in files} or None


def _discard(disk: Disk, staging: Path) -> None:
    """What a failed export left; gone already when it succeeded."""
    for path in staging.glob("*"):
        disk.discard(path)
    with suppress(OSError):
        staging.rmdir()
