"""What the daemon is to do, as applies leave it on disk: one JSON file an object.

References to secrets only, never a secret. Written by whoever declares, read by the daemon; here
is no opinion on what a spec means.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import orjson

from loopwright.disk import Disk, is_temporary
from loopwright.errors import DaemonError

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class Declared:
    """An endpoint, a delivery or a lake."""

    name: str
    owner: str
    """Tag of the resource that it was made for."""
    spec: Mapping[str, Any]
    folder: str = "."
    """Of its manifest, relative to the project: files of secrets are looked for there."""
    serves: Mapping[str, Any] | None = None
    """Of an endpoint whose model is computed here: which one, as `daemon.served` reads it."""
    canary: Mapping[str, Any] | None = None
    """Of an endpoint that a new model takes over in steps: as `daemon.canary` reads it."""

    def to_json(self) -> dict[str, Any]:
        """Without what is not said, so that an older daemon reads most of them."""
        said = asdict(self)
        return {name: value for name, value in said.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Shelf:
    """The declared objects of one kind, by name."""

    folder: Path

    def get(self, name: str) -> Declared | None:
        """Raises DaemonError when its file is damaged."""
        return _read(self._file(name)) if _NAME.fullmatch(name) else None

    def put(self, declared: Declared) -> None:
        """Durable when this returns; replaces an earlier one of this name."""
        disk = Disk()
        disk.make_folders(self.folder)
        disk.write_atomic(self._file(declared.name), orjson.dumps(declared.to_json()))

    def remove(self, name: str) -> None:
        """One that is not there is fine."""
        if self.get(name) is not None:
            Disk().discard(self._file(name))

    def all(self) -> Iterator[Declared]:
        """In the order of their names."""
        for path in sorted(self.folder.glob("*.json")):
            if not is_temporary(path) and (found := _read(path)):
                yield found

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}.json"


@dataclass(frozen=True, slots=True)
class DaemonFolder:
    """Where a daemon and those who speak to it meet: `daemon/` beside the state."""

    state: Path
    endpoints: Shelf = field(init=False)
    deliveries: Shelf = field(init=False)
    lakes: Shelf = field(init=False)

    def __post_init__(self) -> None:
        for kind in ("endpoints", "deliveries", "lakes"):
            object.__setattr__(self, kind, Shelf(self.path / kind))

    @property
    def path(self) -> Path:
        return self.state / "daemon"

    @property
    def log(self) -> Path:
        return self.path / "log"

    @property
    def spool(self) -> Path:
        """Sealed logs: a folder a lake, in it one a gateway process."""
        return self.state / "spool"

    @property
    def canaries(self) -> Path:
        """How far promotions in steps are: read by `daemon.stages`."""
        return self.path / "canaries"

    @property
    def is_idle(self) -> bool:
        """Whether nothing is declared that a daemon would have to serve."""
        return not any(self.endpoints.all()) and not any(self.deliveries.all())


def _read(path: Path) -> Declared | None:
    try:
        return Declared(**orjson.loads(path.read_bytes()))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        raise DaemonError(f"{path} is damaged", hint="remove it and apply again") from error
