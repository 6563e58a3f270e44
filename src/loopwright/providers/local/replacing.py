"""Result folders that a later run takes the place of: only what we put there, untouched."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from loopwright.hashing import file_digest
from loopwright.providers.local.receipts import Receipt


@contextmanager
def made_way(folder: Path, known: Receipt | None, *, owner: str) -> Iterator[None]:
    """Put aside what the receipt tells that this owner put there; back when the block fails."""
    aside = folder.with_name(f".{folder.name}.replaced")
    if is_ours(folder, known, owner=owner):
        shutil.rmtree(aside, ignore_errors=True)
        folder.rename(aside)
    try:
        yield
    except BaseException:
        if aside.exists() and not folder.exists():
            aside.rename(folder)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def is_ours(folder: Path, known: Receipt | None, *, owner: str) -> bool:
    """Whether a folder has exactly the files that its owner's receipt says, untouched."""
    if known is None or known.owner != owner or not folder.is_dir():
        return False
    return bool(digests(folder) == known.facts["files"])


def is_free(folder: Path) -> bool:
    """Whether nothing lies there."""
    return not folder.exists() or (folder.is_dir() and not any(folder.iterdir()))


def digests(folder: Path) -> dict[str, str]:
    """Digest by relative path of every file in a folder."""
    return {
        path.relative_to(folder).as_posix(): file_digest(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
