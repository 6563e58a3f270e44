"""Manifests in files and folders of this machine, watched through the operating system's events.

An event only leads to a look; the digest of what lies there decides whether anything changed.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from loopwright.gitops.sources import Look, Revision
from loopwright.hashing import digest, sha256_hex

if TYPE_CHECKING:
    from watchfiles import Change

log = logging.getLogger(__name__)

DEBOUNCE_MS = 300
_TICK_MS = 2_000
"""How often the watch makes sure that the folder it looks at is still the one of that name."""
_SUFFIXES = (".yaml", ".yml")
_PRIVATE = {".git", ".loopwright"}


class FolderSource:
    """Paths as a user gives them, and the project and variable files that belong to them."""

    def __init__(self, paths: Sequence[str], *, beside: Sequence[Path] = ()) -> None:
        self._paths = tuple(paths)
        self._beside = tuple(beside)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def poll_seconds(self) -> None:
        """The operating system tells of changes."""

    @property
    def description(self) -> str:
        return ", ".join(self._paths)

    def look(self) -> Look:
        """The digest of every manifest's name and bytes, whatever they say."""
        found = {str(path): _content(path) for path in self._files()}
        return Look(Revision(digest(found), self._paths))

    def earlier(self, revision_id: str) -> Revision | None:
        """The one that lies there, if it is that one: a folder keeps no others."""
        revision = self.look().revision
        return revision if revision and revision.id == revision_id else None

    def keep(self, revision: Revision) -> None:
        """Files are their owner's to keep."""

    def begin(self, wake: Callable[[], None]) -> None:
        self._thread = threading.Thread(
            target=self._follow, args=(wake,), name="manifest-events", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=5)

    def _files(self) -> Iterator[Path]:
        for text in self._paths:
            path = Path(text)
            if path.is_dir():
                yield from _manifests(path)
            else:
                yield path
        yield from self._beside

    def _follow(self, wake: Callable[[], None]) -> None:
        """Watch until closed; begin anew when a watched folder is swapped for another.

        What cannot be watched is looked at every few seconds instead.
        """
        while not self._stop.is_set():
            roots = self._roots()
            if not (roots and self._watch(roots, wake)):
                wake()
                self._stop.wait(_TICK_MS / 1000)

    def _watch(self, roots: dict[Path, int], wake: Callable[[], None]) -> bool:
        """Until a folder is swapped or the source is closed; False when it cannot be watched."""
        from watchfiles import watch

        is_new = True
        try:
            for changes in watch(
                *roots,
                watch_filter=_concerns,
                debounce=DEBOUNCE_MS,
                stop_event=self._stop,
                rust_timeout=_TICK_MS,
                yield_on_timeout=True,
                raise_interrupt=False,
            ):
                if changes or is_new:  # what came before the watch began was not heard
                    wake()
                is_new = False
                if self._roots() != roots:
                    return True
        except (OSError, RuntimeError) as error:  # out of watches, or gone in between
            log.info("cannot watch the manifests", extra={"problem": str(error)})
            return False
        return True

    def _roots(self) -> dict[Path, int]:
        """What is there to watch, with inode numbers. Of files the folder: editors replace them."""
        wanted = {
            path if path.is_dir() else path.parent
            for path in (*map(Path, self._paths), *self._beside)
        }
        found = {}
        for path in sorted(wanted):
            try:
                found[path] = path.stat().st_ino
            except OSError:
                continue
        return found


def _manifests(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if name.endswith(_SUFFIXES) and not name.startswith("."):
                yield Path(place, name)


def _content(path: Path) -> str:
    try:
        return sha256_hex(path.read_bytes())
    except OSError as error:
        return f"unreadable: {error.strerror}"


def _concerns(change: Change, path: str) -> bool:
    """Whether an event may be about manifests: captured calls come in all the time beside them."""
    from watchfiles import Change

    if _PRIVATE & set(Path(path).parts):
        return False
    return path.endswith(_SUFFIXES) or change is Change.deleted or os.path.isdir(path)
