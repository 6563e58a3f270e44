"""The datasets folder: `<name>/v<N>/{train.jsonl, validation.jsonl, manifest.json}`.

A version is a version from the moment its manifest lies there, and not before: a folder without
one is a half-built remainder that the next build clears away. Numbers are never given twice.
Nothing here knows how lines are made.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO, Any, BinaryIO

import orjson

from loopwright.disk import Disk
from loopwright.errors import DatasetError
from loopwright.lake.datasets.version import Line, VersionFile, VersionManifest
from loopwright.lake.erasing.erased_lines import erased_lines

MANIFEST = "manifest.json"
_MARKER = "dataset.json"
_LOCKS = ".locks"
_HELD_BYTES = 32 << 20
_VERSION = re.compile(r"v([1-9][0-9]*)")
_NAME = re.compile(r"[^./\\\x00-\x1f][^/\\\x00-\x1f]*")


def file_name(split: str) -> str:
    return f"{split}.jsonl"


@dataclass(frozen=True)
class Catalog:
    """The dataset versions under `root`."""

    root: Path
    disk: Disk = field(default_factory=Disk)

    def names(self) -> tuple[str, ...]:
        """Datasets that have an owner, sorted."""
        return tuple(sorted(path.parent.name for path in self.root.glob(f"*/{_MARKER}")))

    def versions(self, name: str) -> tuple[int, ...]:
        """Numbers of the committed versions, ascending."""
        folders = (path.parent.name for path in self._of(name).glob(f"*/{MANIFEST}"))
        return tuple(sorted(int(found[1]) for one in folders if (found := _VERSION.fullmatch(one))))

    def newest(self, name: str) -> int | None:
        return max(self.versions(name), default=None)

    def folder(self, name: str, version: int) -> Path:
        """Where a version lies, or would."""
        return self._of(name) / f"v{version}"

    def load(self, name: str, version: int | None = None) -> VersionManifest:
        """The manifest of a version, of the newest by default. Raises DatasetError.

        Its `files` are as they are now, without the lines that were erased from them.
        """
        versions = self.versions(name)
        wanted = version if version is not None else max(versions, default=None)
        if wanted is None or wanted not in versions:
            which = "version" if version is None else f"version {version}"
            have = ", ".join(f"v{number}" for number in versions) or "none"
            raise DatasetError(f"Dataset {name!r} has no {which}", hint=f"It has {have}.")
        path = self.folder(name, wanted) / MANIFEST
        manifest = VersionManifest.from_bytes(path.read_bytes(), source=str(path))
        if (manifest.name, manifest.version) != (name, wanted):
            raise DatasetError(f"{path} is the manifest of {manifest.name} v{manifest.version}")
        erased = erased_lines(path.parent)
        return replace(manifest, files={**manifest.files, **erased.files}) if erased else manifest

    def lines_left(self, manifest: VersionManifest) -> list[Line]:
        """The lines of a version that were not erased."""
        gone = erased_lines(self.folder(manifest.name, manifest.version)).lines
        return [line for place, line in enumerate(manifest.lines) if place not in gone]

    def owner(self, name: str) -> str | None:
        """Who made the dataset; None when nobody owns the name."""
        owner = self._marker(name).get("owner")
        return owner if isinstance(owner, str) else None

    def next_version(self, name: str) -> int:
        """One more than the greatest number ever committed, removed versions included."""
        return 1 + max(self._last_marked(name), self.newest(name) or 0)

    @contextmanager
    def held(self, name: str, *, owner: str) -> Iterator[None]:
        """Keep other writers of this dataset out. Raises DatasetError when it is another's."""
        if not _NAME.fullmatch(name):
            raise DatasetError(f"{name!r} cannot be the name of a dataset")
        self.disk.make_folders(self.root / _LOCKS)
        with self.disk.lock(self.root / _LOCKS / name):
            holder = self.owner(name)
            if holder not in (None, owner):
                raise DatasetError(
                    f"Dataset {name!r} belongs to {holder}, not to {owner}",
                    hint="Choose another name, or make a new version of it with versionOf.",
                )
            yield

    @contextmanager
    def draft(self, name: str, version: int) -> Iterator[Path]:
        """An empty folder for a version's files; cleared again when the block does not end well.

        Only for who holds the dataset.
        """
        folder = self.folder(name, version)
        self._clear(folder)
        self.disk.make_folders(folder)
        try:
            yield folder
        except BaseException:
            self._clear(folder)
            raise

    def commit(self, manifest: VersionManifest, *, owner: str) -> None:
        """Make the draft a version. Its other files are durable already."""
        name, version = manifest.name, manifest.version
        last = max(self._last_marked(name), version)
        if self.owner(name) is None:
            self._mark(name, owner=owner, last_version=version - 1)
        self.disk.write_atomic(self.folder(name, version) / MANIFEST, manifest.to_bytes())
        self._mark(name, owner=owner, last_version=last)

    def remove(self, name: str, version: int, *, owner: str) -> None:
        """Take a version away; its number stays used."""
        with self.held(name, owner=owner):
            if version not in self.versions(name):
                raise DatasetError(f"Dataset {name!r} has no version {version}")
            self._mark(name, owner=owner, last_version=self.next_version(name) - 1)
            self.disk.discard(self.folder(name, version) / MANIFEST)
            self._clear(self.folder(name, version))

    def _of(self, name: str) -> Path:
        return self.root / name

    def _marker(self, name: str) -> dict[str, Any]:
        path = self._of(name) / _MARKER
        try:
            return dict(orjson.loads(path.read_bytes()))
        except FileNotFoundError:
            return {}
        except (ValueError, TypeError) as error:
            raise DatasetError(f"Cannot read {path}: not an owner marker") from error

    def _last_marked(self, name: str) -> int:
        return int(self._marker(name).get("last_version", 0))

    def _mark(self, name: str, *, owner: str, last_version: int) -> None:
        marker = orjson.dumps({"owner": owner, "last_version": last_version})
        self.disk.write_atomic(self._of(name) / _MARKER, marker)

    def _clear(self, folder: Path) -> None:
        """Remove a half-built folder, and its dataset's when nothing else is in it."""
        for path in folder.glob("*"):
            self.disk.discard(path)
        with suppress(OSError):
            folder.rmdir()
            folder.parent.rmdir()


@contextmanager
def undecided(folder: Path) -> Iterator[IO[bytes]]:
    """Room for lines whose file is not known yet: without a name, beyond some size in `folder`.

    Raises DatasetError when the disk refuses.
    """
    try:
        with SpooledTemporaryFile(_HELD_BYTES, dir=str(folder)) as handle:
            yield handle
    except OSError as error:
        raise DatasetError(f"cannot write {folder}: {error.strerror}") from error


class LineFile:
    """Lines on their way into a staged file, counted and hashed as they go."""

    def __init__(self, handle: BinaryIO) -> None:
        self._handle = handle
        self._running = hashlib.sha256()
        self._bytes = 0
        self._rows = 0

    def write(self, line: bytes) -> None:
        """`line` without its newline."""
        data = line + b"\n"
        self._handle.write(data)
        self._running.update(data)
        self._bytes += len(data)
        self._rows += 1

    @property
    def facts(self) -> VersionFile:
        return VersionFile(self._running.hexdigest(), self._bytes, self._rows)
