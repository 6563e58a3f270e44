"""A folder that somebody else filled, on its way into the registry."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from loopwright.errors import ModelError
from loopwright.models.contents import (
    deciding_files,
    has_own_code,
    kept_files,
    refuse_custom_code,
)
from loopwright.models.digests import Digests, content_digest
from loopwright.models.weights import (
    ADAPTER_CONFIG,
    CONFIG,
    is_adapter,
    parameter_count,
    read_json,
)


@dataclass(frozen=True, slots=True)
class Incoming:
    """A model folder from outside the loop that may come in."""

    folder: Path
    is_adapter: bool
    base: str
    """Of an adapter the base that it names, `org/name[@revision]` or a path; else empty."""
    files: tuple[str, ...]

    @property
    def size(self) -> int:
        return sum((self.folder / name).stat().st_size for name in self.files)

    def digest(self, digests: Digests) -> str:
        """Of its content, so that a change of the folder is noticed."""
        names = deciding_files(self.folder, code=has_own_code(self.folder))
        return content_digest(digests.files(self.folder, names))

    def copy(self, target: Path, progress: Callable[[int], None]) -> None:
        """Copy the files, links followed; `progress` is told the bytes done after each."""
        done = 0
        for name in self.files:
            (target / name).parent.mkdir(exist_ok=True)
            shutil.copyfile(self.folder / name, target / name)
            done += (target / name).stat().st_size
            progress(done)


def incoming(folder: Path, *, trust_remote_code: bool = False) -> Incoming:
    """Look at a folder. Raises ModelError: none there, no whole safetensors, untrusted code."""
    if not folder.is_dir():
        raise ModelError(
            f"there is no folder {folder}", hint="weights.path is relative to its manifest"
        )
    adapter = is_adapter(folder)
    config = read_json(folder / (ADAPTER_CONFIG if adapter else CONFIG))
    refuse_custom_code(folder, trusted=trust_remote_code)
    parameter_count(folder)
    return Incoming(
        folder=folder,
        is_adapter=adapter,
        base=_named_base(config) if adapter else "",
        files=kept_files(folder, code=has_own_code(folder)),
    )


def _named_base(config: dict[str, object]) -> str:
    name, revision = config.get("base_model_name_or_path"), config.get("revision")
    if not isinstance(name, str) or not name:
        return ""
    return f"{name}@{revision}" if isinstance(revision, str) and revision else name
