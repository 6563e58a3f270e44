"""A folder as the destination of an export: staged beside it, and given its name at the end.

Whoever writes holds a lock on the staged folder, so that what a killed attempt left, text among
it, is told from what is being written, and cleared by the next.
"""

from __future__ import annotations

import fcntl
import glob
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path

from loopwright.disk import Disk
from loopwright.errors import DatasetError
from loopwright.hashing import file_digest
from loopwright.lake.datasets.catalog import LineFile
from loopwright.lake.exports.exporting import ExportResult, Part


@dataclass(frozen=True)
class Folder:
    """A new folder, or one that holds the same already."""

    path: Path
    disk: Disk = field(default_factory=Disk)

    def put(self, parts: Iterable[Part], *, beside: Mapping[str, bytes]) -> ExportResult:
        """Raises DatasetError when the folder holds something else."""
        self.disk.make_folders(self.path.parent)
        clear_stagings(self.path)
        staging = self.path.with_name(f".{self.path.name}.{secrets.token_hex(6)}.tmp")
        self.disk.make_folders(staging)
        with _held(staging, surely=False):
            try:
                files = {}
                for part in parts:
                    with self.disk.staged(staging / part.name) as handle:
                        target = LineFile(handle)
                        for line in part.lines:
                            target.write(line)
                    files[part.name] = target.facts
                for name, content in beside.items():
                    self.disk.write_atomic(staging / name, content)
                written = self._settle(staging)
            finally:
                self._discard(staging)
        return ExportResult(str(self.path), files, written)

    def _settle(self, staging: Path) -> bool:
        """Give the staged folder its name, unless the same content has it already."""
        present = _contents(self.path)
        if present == _contents(staging):
            return False
        if present:
            raise DatasetError(
                f"{self.path} already holds something else",
                hint="Export to a new folder, or remove this one first.",
            )
        try:
            self.disk.rename(staging, self.path)
        except OSError as error:
            raise DatasetError(f"Cannot export to {self.path}: {error.strerror}") from error
        self.disk.sync_folder(self.path.parent)
        return True

    def _discard(self, staging: Path) -> None:
        """What a failed export left; gone already when it succeeded."""
        for path in staging.glob("*"):
            self.disk.discard(path)
        with suppress(OSError):
            staging.rmdir()


def clear_stagings(path: Path) -> None:
    """Remove what killed exports to `path` left beside it, and nothing that is being written."""
    for staging in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        with suppress(OSError), _held(staging, surely=True):
            shutil.rmtree(staging, ignore_errors=True)


@contextmanager
def _held(folder: Path, *, surely: bool) -> Iterator[None]:
    """`surely`: raises OSError while another holds it, and where folders cannot be locked."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        with nullcontext() if surely else suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)


def _contents(folder: Path) -> dict[str, str] | None:
    """Digest by relative path; None where there is nothing or an empty folder."""
    if not folder.is_dir():
        return {"": file_digest(folder)} if folder.exists() else None
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): file_digest(path) for path in files} or None
