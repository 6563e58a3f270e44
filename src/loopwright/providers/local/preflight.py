"""What `doctor` asks of the local provider: versions, folders, disk space, master keys."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from loopwright.errors import LoopwrightError
from loopwright.lake.keys import Role
from loopwright.providers.base import Opinion, Severity
from loopwright.providers.local.lake_place import LakePlace, open_lake
from loopwright.providers.local.places import Places
from loopwright.providers.local.receipts import Receipt, known_lakes

if TYPE_CHECKING:
    from loopwright.lake.store import Lake

_SCARCE_BYTES = 1 << 30
_PRIVATE = 0o077


def findings(name: str, places: Places) -> Iterator[Opinion]:
    """Opinions on this machine and on every lake that this environment keeps."""
    subject = f"Provider/{name}"
    versions = ", ".join(f"{part} {version(part)}" for part in ("pyarrow", "cryptography"))
    yield Opinion(Severity.OK, subject, f"Python {platform.python_version()}, {versions}")
    for what, folder in (("state", places.state), ("datasets", places.datasets)):
        yield _writable(subject, what, folder, places)
    yield _space(subject, places)
    for known in known_lakes(places).all():
        yield from _lake(known, places)


def _writable(subject: str, what: str, folder: Path, places: Places) -> Opinion:
    there = next(path for path in (folder, *folder.parents) if path.exists())
    named = places.text(folder)
    if os.access(there, os.W_OK | os.X_OK):
        return Opinion(Severity.OK, subject, f"{what} folder {named} can be written")
    return Opinion(
        Severity.ERROR,
        subject,
        f"{what} folder {named} cannot be written: no permission on {places.text(there)}",
        "give this user write permission on it",
    )


def _space(subject: str, places: Places) -> Opinion:
    free = shutil.disk_usage(places.project).free
    said = f"{free / (1 << 30):,.1f} GiB free on the project's disk"
    if free >= _SCARCE_BYTES:
        return Opinion(Severity.OK, subject, said)
    return Opinion(
        Severity.WARNING, subject, said, "free some: an import or a build stops on a full disk"
    )


def _lake(known: Receipt, places: Places) -> Iterator[Opinion]:
    place, key = LakePlace.of(known.external_id, places), known.facts["masterKey"]
    subject = f"lake {known.external_id}"
    if not place.exists:
        yield Opinion(Severity.ERROR, subject, "the folder is gone", "restore it from a backup")
        return
    yield _writable(subject, "lake", place.root, places)
    try:
        lake = open_lake(place.storage, key, places, role=Role.READER)
    except LoopwrightError as error:
        yield Opinion(Severity.ERROR, subject, error.message, error.hint or "")
        return
    yield _key(subject, key, lake.keys.master_id, places)
    yield from _owed(subject, lake)


def _owed(subject: str, lake: Lake) -> Iterator[Opinion]:
    """What should be gone from a lake and is not."""
    from loopwright.lake.erasing.erasure import unfinished
    from loopwright.lake.erasing.retention import overdue

    for journal in unfinished(lake):
        yield Opinion(
            Severity.ERROR,
            subject,
            f"an erasure of {len(journal.calls):,} calls, begun at {journal.at[:16]}, did not end",
            "`loopwright erase --resume` finishes it",
        )
    if overdue(lake, now=lake.clock.now()):
        yield Opinion(
            Severity.WARNING,
            subject,
            "it holds calls that are past its retention",
            "the daemon lets them go within the hour, `loopwright lake compact` at once",
        )


def _key(subject: str, reference: dict[str, str], key_id: str, places: Places) -> Opinion:
    file = reference.get("file")
    if file and places.path(file).stat().st_mode & _PRIVATE:
        hint = f"chmod 600 {file}"
        return Opinion(Severity.WARNING, subject, f"others may read the key file {file}", hint)
    where = file or f"environment variable {reference['env']}"
    return Opinion(Severity.OK, subject, f"master key {key_id} in {where}")
