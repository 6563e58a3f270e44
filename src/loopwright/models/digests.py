"""Digests of model files, remembered so that gigabytes are read once and not at every plan.

A remembered digest holds while size, times and inode of the file are what they were; the change
time cannot be set back by who only owns the file, so writing into it is noticed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import orjson

from loopwright.disk import Disk
from loopwright.errors import LakeError, ModelError
from loopwright.hashing import digest, file_digest

_MOST_REMEMBERED = 4096


@dataclass(frozen=True, slots=True)
class FileFacts:
    """One file of a model."""

    sha256: str
    """`sha256:` and hex."""
    bytes: int


@dataclass(frozen=True, slots=True)
class Digests:
    """File digests, remembered in one small JSON file at `path`; without one, read each time."""

    path: Path | None = None

    def files(self, folder: Path, names: Iterable[str]) -> dict[str, FileFacts]:
        """Facts of these files of a folder. Raises ModelError naming the first that is missing."""
        known = self._load()
        found: dict[str, FileFacts] = {}
        fresh: dict[str, list[int | str]] = {}
        for name in names:
            stamp = _stamp(folder / name)
            place = str((folder / name).resolve())
            before = known.get(place)
            if before is not None and before[:-1] == stamp:
                sha256 = str(before[-1])
            else:
                sha256 = file_digest(folder / name)
                fresh[place] = [*stamp, sha256]
            found[name] = FileFacts(sha256, stamp[0])
        if fresh:
            self._keep(fresh)
        return found

    def _load(self) -> dict[str, list[int | str]]:
        if self.path is None:
            return {}
        try:
            found = orjson.loads(self.path.read_bytes())
        except (OSError, orjson.JSONDecodeError):
            return {}
        return dict(found) if isinstance(found, dict) else {}

    def _keep(self, fresh: Mapping[str, list[int | str]]) -> None:
        """Best effort: what is not remembered is computed again."""
        if self.path is None:
            return
        merged = {place: facts for place, facts in self._load().items() if place not in fresh}
        latest = dict([*merged.items(), *fresh.items()][-_MOST_REMEMBERED:])
        with suppress(LakeError):
            Disk().make_folders(self.path.parent)
            Disk().write_atomic(self.path, orjson.dumps(latest))


def content_digest(files: Mapping[str, FileFacts], *, base: str = "") -> str:
    """Digest of named contents; that of an adapter is of its base too, since both answer."""
    named: dict[str, object] = {name: facts.sha256 for name, facts in files.items()}
    return digest({"files": named, "base": base} if base else {"files": named})


def _stamp(path: Path) -> list[int]:
    try:
        stat = path.stat()
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}") from error
    return [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]
