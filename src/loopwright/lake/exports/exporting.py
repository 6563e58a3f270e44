"""What is exported: the lines of a dataset version, or the rows of a query; whole, or not at all.

Lines of a version are checked against its manifest as they go, so a damaged one is never handed
on. Where lines are put is a destination's affair: `folders`, `objects`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Protocol

import orjson

from loopwright.errors import DatasetError
from loopwright.lake.datasets.catalog import MANIFEST, Catalog
from loopwright.lake.datasets.recipe import Recipe
from loopwright.lake.datasets.sft_schemas import SCHEMAS
from loopwright.lake.datasets.version import VersionFile, VersionManifest
from loopwright.lake.erasing.erased_lines import ERASED

_REPORT_EVERY = 1000


@dataclass(frozen=True)
class ExportProgress:
    """Lines copied so far, of all; `total` 0: nobody knows."""

    copied: int
    total: int


Report = Callable[[ExportProgress], None]


@dataclass(frozen=True)
class ExportResult:
    """Where an export lies and what is in it. `written` is False when it was there already."""

    destination: str
    files: Mapping[str, VersionFile]
    written: bool


@dataclass(frozen=True)
class Part:
    """One file of lines on its way; they come without their ends, and once."""

    name: str
    lines: Iterable[bytes]


class Destination(Protocol):
    """Where an export goes."""

    def put(self, parts: Iterable[Part], *, beside: Mapping[str, bytes]) -> ExportResult:
        """Put all files there, or none of them; `beside` are small files with their content.

        The same content again changes nothing. Raises LakeError over other content there.
        """
        ...


def export_version(
    catalog: Catalog,
    name: str,
    version: int,
    destination: Destination,
    *,
    fields: Sequence[str] | None = None,
    progress: Report | None = None,
) -> ExportResult:
    """Put a version's lines and its manifest at the destination.

    `fields` keeps only these top-level keys of each line; None keeps all. Raises DatasetError on
    a version whose files are not what its manifest says, and on a field that its lines cannot
    have; else as the destination.
    """
    manifest = catalog.load(name, version)
    _check_fields(fields or (), manifest)
    counted = _Counted(progress, total=manifest.kept)
    folder = catalog.folder(name, version)
    parts = (
        Part(file, counted.lines(_version_lines(folder / file, facts, fields)))
        for file, facts in manifest.files.items()
    )
    beside = {MANIFEST: manifest.to_bytes()}
    if (folder / ERASED).is_file():  # which of the manifest's lines are not there any more
        beside[ERASED] = (folder / ERASED).read_bytes()
    result = destination.put(parts, beside=beside)
    counted.report()
    return result


def export_rows(
    name: str, rows: Iterable[bytes], destination: Destination, *, progress: Report | None = None
) -> ExportResult:
    """Put rows, each a JSON object, at the destination, as the file `name`.jsonl."""
    counted = _Counted(progress, total=0)
    result = destination.put([Part(f"{name}.jsonl", counted.lines(rows))], beside={})
    counted.report()
    return result


class _Counted:
    """Tells how many lines have gone by."""

    def __init__(self, progress: Report | None, *, total: int) -> None:
        self._progress = progress
        self._total = total
        self._copied = 0

    def lines(self, lines: Iterable[bytes]) -> Iterator[bytes]:
        for line in lines:
            yield line
            self._copied += 1
            if self._copied % _REPORT_EVERY == 0:
                self.report()

    def report(self) -> None:
        if self._progress:
            self._progress(ExportProgress(self._copied, self._total))


def _check_fields(fields: Sequence[str], manifest: VersionManifest) -> None:
    known = SCHEMAS[Recipe.from_spec(manifest.recipe).line_format]["properties"]
    if unknown := sorted(set(fields) - set(known)):
        raise DatasetError(
            f"A line of {manifest.name} v{manifest.version} cannot have {unknown[0]!r}",
            hint=f"Its fields are {', '.join(known)}.",
        )


def _version_lines(path: Path, facts: VersionFile, fields: Sequence[str] | None) -> Iterator[bytes]:
    for line in _checked_lines(path, facts):
        yield line if fields is None else _reduced(line, fields)


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
