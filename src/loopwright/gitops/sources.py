"""The contract of what is watched, and the values it gives: revisions of a set of manifests.

Reading manifests is not done here; a source says only where their current revision lies.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Revision:
    """One state of the manifests, and where it lies on disk."""

    id: str
    """Changes when, and only when, the manifests may mean something else."""
    paths: tuple[str, ...]
    commit: str = ""
    root: Path | None = None
    """Folder that stands for the project while reading it; None: the project's own."""

    @property
    def short(self) -> str:
        return (self.commit or self.id.removeprefix("sha256:"))[:12]


@dataclass(frozen=True, slots=True)
class Look:
    """What a look at a source found; with a `problem` the revision is the last known one."""

    revision: Revision | None
    problem: str = ""


class Source(Protocol):
    """Where manifests come from. Level-based: a look tells what is, never what changed."""

    @property
    def poll_seconds(self) -> float | None:
        """Look again after so long, since nothing tells of changes; None: `begin`'s wake does."""
        ...

    @property
    def description(self) -> str:
        """The place in words, without credentials."""
        ...

    def begin(self, wake: Callable[[], None]) -> None:
        """Start calling `wake` (from any thread) when another look may find something new."""
        ...

    def look(self) -> Look:
        """The current revision. Never raises for a place that cannot be read: it says why."""
        ...

    def earlier(self, revision_id: str) -> Revision | None:
        """A revision seen before, if it still lies there."""
        ...

    def keep(self, revision: Revision) -> None:
        """Leave this one in place until another is to be kept."""
        ...

    def close(self) -> None: ...
