"""Names that people give to revisions of a model, such as `champion`, in a file of its own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from loopwright.disk import Disk
from loopwright.errors import ModelError

_FILE = "aliases.json"
_ALIAS = re.compile(r"[a-z][a-z0-9._-]{0,62}")
_NUMBER_LIKE = re.compile(r"v\d+")
_RESERVED = frozenset({"latest", "train", "validation"})


@dataclass(frozen=True, slots=True)
class Aliases:
    """The aliases of the model in `folder`. Only who holds the model writes them."""

    folder: Path
    disk: Disk = field(default_factory=Disk)

    def load(self) -> dict[str, int]:
        """Alias -> number."""
        path = self.folder / _FILE
        try:
            found = orjson.loads(path.read_bytes())
            return {str(alias): int(number) for alias, number in found.items()}
        except FileNotFoundError:
            return {}
        except (ValueError, TypeError, AttributeError) as error:
            raise ModelError(f"cannot read {path}: it holds no aliases") from error

    def put(self, alias: str, number: int) -> None:
        """Let the alias mean this revision. Raises ModelError when it cannot be one."""
        if not _ALIAS.fullmatch(alias) or _NUMBER_LIKE.fullmatch(alias) or alias in _RESERVED:
            raise ModelError(
                f"{alias!r} cannot be an alias",
                hint="a small letter, then small letters, digits, dots and dashes; not a version "
                "and not `latest`",
            )
        self._write(self.load() | {alias: number})

    def remove(self, alias: str) -> None:
        """Raises ModelError when there is no such alias."""
        found = self.load()
        if alias not in found:
            have = ", ".join(sorted(found)) or "none"
            raise ModelError(f"{self.folder.name} has no alias {alias!r}", hint=f"has {have}")
        self._write({one: number for one, number in found.items() if one != alias})

    def _write(self, found: Mapping[str, int]) -> None:
        data = orjson.dumps(dict(found), option=orjson.OPT_SORT_KEYS)
        self.disk.write_atomic(self.folder / _FILE, data)
