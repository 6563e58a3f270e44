"""Calls that were erased and must not come back: keyed hashes of their ids, 16 bytes each.

An import of the same file, or feedback that comes late, finds them here. Needs the lake's lock.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from loopwright.errors import LakeError
from loopwright.lake.store import Lake

_FILE = "erased.bin"
_BYTES = 16
_ABOUT = b"erased call\0"


class Tombstones:
    """Those of one lake."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self._path = lake.root / _FILE

    def among(self, call_ids: Iterable[str]) -> set[str]:
        """Which of these calls were erased."""
        if not (known := self._known()):
            return set()
        return {call_id for call_id in call_ids if self._mark(call_id) in known}

    def add(self, call_ids: Collection[str]) -> None:
        """Remember, durably, that these calls are erased."""
        known = self._known()
        grown = known.union(self._mark(call_id) for call_id in call_ids)
        if len(grown) > len(known):
            self._lake.disk.write_atomic(self._path, b"".join(sorted(grown)))

    def __len__(self) -> int:
        return len(self._known())

    def _known(self) -> set[bytes]:
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            return set()
        except OSError as error:
            raise LakeError(f"cannot read {self._path}: {error.strerror}") from error
        return {content[at : at + _BYTES] for at in range(0, len(content), _BYTES)}

    def _mark(self, call_id: str) -> bytes:
        return self._lake.hash_keys.content_hash(_ABOUT + call_id.encode())
