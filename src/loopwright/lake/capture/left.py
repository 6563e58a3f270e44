"""Logs that are sealed for another lake than the one their spool belongs to now.

Where the storage of a lake was replaced, the last calls of the old one cannot go into the new one.
They wait beside the spool, in `spool-left/<lake name>/<lake id>/<gateway>`, hold up nobody, and are
taken as soon as the old lake is served again.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from loopwright.disk import Disk
from loopwright.lake.capture.frames import Kind, counts, lake_of
from loopwright.lake.capture.spool import LOCK, Gateway, SegmentFile, SpoolDisk, gateways_locked


@dataclass(frozen=True, slots=True)
class Left:
    """What one gateway left for a lake that is not served here now."""

    lake_id: str
    folder: Path
    calls: int
    feedback: int


def is_of(segment: SegmentFile, lake_id: str) -> bool:
    """Whether a segment is sealed for this lake, or does not say. Raises OSError."""
    with segment.path.open("rb") as file:
        return lake_of(file.readline()) in (None, lake_id)


def set_aside(spool: Path, gateway: Gateway, segment: SegmentFile, *, disk: SpoolDisk) -> Path:
    """Move a segment of another lake out of the way; returns where to. Raises OSError."""
    with segment.path.open("rb") as file:
        place = _left_of(spool) / str(lake_of(file.readline())) / gateway.id
    Disk().make_folders(place)
    shutil.copyfile(gateway.folder / LOCK, place / LOCK)  # it tells how the gateway ended
    _move(segment.path, place, disk)
    return place


def take_up(spool: Path, lake_id: str, *, disk: SpoolDisk) -> None:
    """Bring back what was set aside while another lake was served. Raises OSError."""
    folder = _left_of(spool) / lake_id
    for place in _folders(folder):
        with gateways_locked(spool):
            (spool / place.name).mkdir(exist_ok=True)
            if not (spool / place.name / LOCK).exists():
                shutil.copyfile(place / LOCK, spool / place.name / LOCK)
        for path in place.iterdir():
            if path.name != LOCK:
                _move(path, spool / place.name, disk)
        disk.sync_path(spool)
        shutil.rmtree(place)
    with suppress(OSError):
        folder.rmdir()


def left(spool: Path | None) -> Iterator[Left]:
    """What lies beside the spool folder of a lake. Raises OSError."""
    for lake in _folders(_left_of(spool)) if spool else ():
        for place in _folders(lake):
            found = [counts(path.read_bytes()) for path in place.iterdir() if path.name != LOCK]
            calls = sum(one[Kind.RECORD] for one in found)
            yield Left(lake.name, place, calls, sum(one[Kind.FEEDBACK] for one in found))


def _left_of(spool: Path) -> Path:
    return spool.parent.with_name(f"{spool.parent.name}-left") / spool.name


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*") if path.is_dir())


def _move(path: Path, folder: Path, disk: SpoolDisk) -> None:
    disk.rename(str(path), str(folder / path.name))
    disk.sync_path(folder)
    disk.sync_path(path.parent)
