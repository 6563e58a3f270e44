"""Durable writing: the few ways in which the lake and its datasets touch a disk.

Everything that must survive a power cut goes through a `Disk`; its primitives (create, sync,
rename, link, remove) are the seam at which tests drop unsynced writes, fill the disk or crash.
Knows nothing of what is written.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from loopwright.errors import LakeError

_BUFFER = 1 << 20
_TEMPORARY = ".tmp"
_HINTS = {
    errno.ENOSPC: "free some space; what was committed before is intact",
    errno.EDQUOT: "raise the quota; what was committed before is intact",
    errno.EROFS: "the file system is read-only: mount it writable or use another folder",
    errno.EACCES: "give this user write permission on the folder",
    errno.EPERM: "give this user write permission on the folder",
}


class Disk:
    """Writes that are whole and durable when they return, or leave the old content in place.

    Every failure of the system is a LakeError that names the path.
    """

    # Primitives: one system call each.

    def create(self, path: Path, *, mode: int = 0o644) -> BinaryIO:
        """A new file to write; FileExistsError when there is one."""
        return open(path, "xb", buffering=_BUFFER, opener=_opener(mode))

    def open_append(self, path: Path, *, mode: int = 0o644) -> BinaryIO:
        return open(path, "ab", opener=_opener(mode))

    def sync_file(self, handle: BinaryIO) -> None:
        handle.flush()
        os.fsync(handle.fileno())

    def sync_folder(self, folder: Path) -> None:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def rename(self, source: Path, target: Path) -> None:
        source.replace(target)

    def link(self, source: Path, target: Path) -> None:
        os.link(source, target)

    def remove(self, path: Path) -> None:
        path.unlink()

    def make_folder(self, folder: Path) -> None:
        folder.mkdir()

    # Durable operations, made of the primitives.

    def make_folders(self, folder: Path) -> None:
        """The folder and its parents, durable."""
        with _explained(folder):
            missing = [path for path in (folder, *folder.parents) if not path.is_dir()]
            for path in reversed(missing):
                with suppress(FileExistsError):
                    self.make_folder(path)
                self.sync_folder(path.parent)

    @contextmanager
    def staged(self, path: Path, *, mode: int = 0o644) -> Iterator[BinaryIO]:
        """A file to write that becomes `path`, whole and durable, when the block ends well."""
        with _explained(path):
            temporary = self._temporary(path)
            try:
                with self.create(temporary, mode=mode) as handle:
                    yield handle
                    self.sync_file(handle)
                self.rename(temporary, path)
            except Exception:
                with suppress(OSError):
                    self.remove(temporary)
                raise
            self.sync_folder(path.parent)

    def write_atomic(self, path: Path, data: bytes, *, mode: int = 0o644) -> None:
        """Put `data` at `path`, replacing what is there at once."""
        with self.staged(path, mode=mode) as handle:
            handle.write(data)

    def create_exclusive(self, path: Path, data: bytes, *, mode: int = 0o644) -> bool:
        """Put `data` at `path` unless something is there; whether it was put."""
        with _explained(path):
            temporary = self._temporary(path)
            try:
                with self.create(temporary, mode=mode) as handle:
                    handle.write(data)
                    self.sync_file(handle)
                self.link(temporary, path)
                self.sync_folder(path.parent)
            except FileExistsError:
                return False
            finally:
                with suppress(OSError):
                    self.remove(temporary)
            return True

    def append(self, path: Path, data: bytes, *, mode: int = 0o600) -> None:
        """Add `data` at the end of `path` in one durable write."""
        with _explained(path):
            new = not path.exists()
            with self.open_append(path, mode=mode) as handle:
                handle.write(data)
                self.sync_file(handle)
            if new:
                self.sync_folder(path.parent)

    def discard(self, path: Path) -> None:
        """Remove a file; one that is already gone is fine."""
        with _explained(path), suppress(FileNotFoundError):
            self.remove(path)

    @contextmanager
    def lock(self, path: Path) -> Iterator[None]:
        """Hold the exclusive lock file `path`, waiting for it; a dead holder's lock is free."""
        with _explained(path):
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    @staticmethod
    def _temporary(path: Path) -> Path:
        return path.with_name(f".{path.name}.{secrets.token_hex(6)}{_TEMPORARY}")


def _opener(mode: int) -> Callable[[str, int], int]:
    return lambda path, flags: os.open(path, flags, mode)


def is_temporary(path: Path) -> bool:
    """Whether `path` is what an interrupted write may leave behind."""
    return path.name.startswith(".") and path.name.endswith(_TEMPORARY)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise LakeError(
            f"cannot write {path}: {reason}", hint=_HINTS.get(error.errno or 0)
        ) from error
