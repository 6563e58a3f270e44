"""What names of hub models were found to stand for, kept beside the registry.

A branch of the hub moves; a pin does not, so that no paid job runs again because somebody else
pushed. Whoever wants the newer model writes its commit into the manifest.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import orjson

from loopwright.disk import Disk
from loopwright.errors import LakeError
from loopwright.models.digests import Digests


@dataclass(frozen=True, slots=True)
class Pins:
    """The pins of a registry folder, and the digests that are remembered there."""

    root: Path

    @property
    def digests(self) -> Digests:
        return Digests(self.root / ".digests.json")

    def commit(self, name: str) -> str | None:
        """The commit that `org/name[@revision]` was found to be."""
        found = self._load().get(name)
        return found if isinstance(found, str) else None

    def keep(self, name: str, commit: str) -> None:
        """Best effort in a folder that cannot be written: then it is asked again."""
        with suppress(LakeError):
            Disk().make_folders(self.root)
            with Disk().lock(self.root / ".pins.lock"):
                merged = self._load() | {name: commit}
                data = orjson.dumps(merged, option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2)
                Disk().write_atomic(self._path, data)

    @property
    def _path(self) -> Path:
        return self.root / ".pins.json"

    def _load(self) -> dict[str, object]:
        try:
            found = orjson.loads(self._path.read_bytes())
        except (OSError, orjson.JSONDecodeError):
            return {}
        return dict(found) if isinstance(found, dict) else {}
