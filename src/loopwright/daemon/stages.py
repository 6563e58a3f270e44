"""How far canaries are, on disk: a file an endpoint, so that a kill costs a second's counts.

Written by the daemon, read by whoever wants to know which model an endpoint has in truth.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson

from loopwright.daemon.canary import Stage
from loopwright.disk import Disk


@dataclass(frozen=True, slots=True)
class Stages:
    """The canaries of one environment."""

    folder: Path

    def read(self, endpoint: str, key: str) -> Stage | None:
        """None where the promotion of this key has no stage yet that can be read."""
        try:
            said = orjson.loads(self._file(endpoint).read_bytes())
            return Stage.from_json(said["stage"]) if said["key"] == key else None
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    def write(self, endpoint: str, key: str, stage: Stage) -> None:
        """Durable when this returns."""
        disk = Disk()
        disk.make_folders(self.folder)
        disk.write_atomic(
            self._file(endpoint), orjson.dumps({"key": key, "stage": stage.to_json()})
        )

    def forget(self, endpoint: str) -> None:
        Disk().discard(self._file(endpoint))

    def endpoints(self) -> Iterator[str]:
        for path in self.folder.glob("*.json"):
            yield path.stem

    def _file(self, endpoint: str) -> Path:
        return self.folder / f"{endpoint}.json"
