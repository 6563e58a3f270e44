"""Noticing that something the daemon goes by was changed: declarations, project file, keys."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from loopwright.daemon.declared import DaemonFolder
from loopwright.daemon.project import PROJECT_FILE, DaemonProject

Marks = frozenset[tuple[str, int, int, int]]


def marks(folder: DaemonFolder, project: DaemonProject, secrets: Iterable[Path]) -> Marks:
    """What tells the files of now from those of another time: names, times, sizes."""
    return frozenset(filter(None, map(_mark, _files(folder, project, secrets))))


def _files(folder: DaemonFolder, project: DaemonProject, secrets: Iterable[Path]) -> Iterator[Path]:
    yield folder.path / "project.json"
    yield project.folder / PROJECT_FILE
    for shelf in (folder.endpoints, folder.deliveries, folder.lakes):
        yield from shelf.folder.glob("*.json")
    if tls := project.gateway.tls:
        yield from (project.folder / tls.cert, project.folder / tls.key)
    yield from secrets


def _mark(path: Path) -> tuple[str, int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return str(path), found.st_mtime_ns, found.st_size, found.st_ino
