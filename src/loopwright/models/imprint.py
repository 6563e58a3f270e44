"""What the files of a model folder were when it was verified: asked again by whoever loads it.

A model is verified when it is declared, and read hours or weeks later: after a crash, a restart
of the machine, or when its weights come back into memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from loopwright.errors import ModelError
from loopwright.models.contents import deciding_files, has_own_code
from loopwright.models.digests import Digests


@dataclass(frozen=True, slots=True)
class Imprint:
    """Digests of a folder's files. Without files it says nothing, and all is let through."""

    files: Mapping[str, str] = field(default_factory=dict)
    """Name to `sha256:...`."""
    remembered: str = ""
    """Path of the file where digests are remembered, so that untouched files are not read."""

    @classmethod
    def of(cls, folder: Path, digests: Digests, names: Iterable[str] = ()) -> Self:
        """Of the files as they are; by default those that decide answers. Raises ModelError."""
        wanted = tuple(names) or deciding_files(folder, code=has_own_code(folder))
        found = digests.files(folder, wanted)
        files = {name: facts.sha256 for name, facts in found.items()}
        return cls(files, str(digests.path or ""))

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> Self:
        """Raises TypeError when it is something else."""
        return cls(**said)

    def within(self, project: Path) -> Self:
        """With the path of what is remembered made whole."""
        return replace(self, remembered=str(project / self.remembered) if self.remembered else "")

    def check(self, folder: Path) -> None:
        """Raises ModelError naming the file that is missing, changed, or was put there."""
        if not self.files:
            return
        found = Digests(Path(self.remembered) if self.remembered else None).files(
            folder, self.files
        )
        for name, sha256 in self.files.items():
            if found[name].sha256 != sha256:
                raise _refused(folder / name, "is not what was verified")
        present = deciding_files(folder, code=has_own_code(folder))
        if added := sorted(set(present) - set(self.files)):
            raise _refused(folder / added[0], "was put beside the files that were verified")


def _refused(path: Path, what: str) -> ModelError:
    return ModelError(
        f"{path} {what}: the model is not loaded", hint="put the file back, or make a new revision"
    )
