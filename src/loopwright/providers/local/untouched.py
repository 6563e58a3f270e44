"""Whether the files of a result are those that a run put there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from loopwright.errors import ModelError
from loopwright.models.digests import Digests
from loopwright.providers.base import Observed
from loopwright.providers.local.places import Places


def as_put(found: Observed, folder: Path, files: Mapping[str, str], places: Places) -> Observed:
    """A result as it is seen; not ready, and why, when a file of it was changed since.

    `files`: digest by name. What was not touched since it was last read is not read again.
    """
    try:
        now = Digests(places.state / ".file-digests").files(folder, files)
    except ModelError as error:
        return replace(found, ready=False, status=error.message)
    for name, digest in files.items():
        if now[name].sha256 != digest:
            told = f"{places.text(folder / name)} is not what the run put there"
            return replace(found, ready=False, status=told)
    return found
