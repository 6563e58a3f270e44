"""The spool on local disk: a folder a lake, in it a folder a gateway process, in it segments.

`NNN.open` is being written, `NNN.log` is finished. A gateway holds its folder's lock for as long
as it lives; a free lock means that it is dead and will write nothing more. Knows no frames.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import orjson

from loopwright.disk import Disk
from loopwright.locks import is_held

FINISHED, OPEN = ".log", ".open"
LOCK = "lock"
_GATEWAYS_LOCK = ".gateways"
_RECORDER_LOCK = ".recorder"
_BOOT = Path("/proc/sys/kernel/random/boot_id")
_DIGITS = 9
_ENDED, _KEYLESS = "ended", "keyless"
_ENDING_BYTES, _LOCK_BYTES = 64, 16 << 10


class SpoolDisk:
    """System calls, one each: the seam at which tests cut the power, fill the disk or crash."""

    def create(self, path: str) -> int:
        """A new file to append to; FileExistsError when there is one."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        return os.open(path, flags, 0o600)

    def write(self, descriptor: int, data: bytes) -> int:
        return os.write(descriptor, data)

    def truncate(self, descriptor: int, size: int) -> None:
        os.ftruncate(descriptor, size)

    def sync(self, descriptor: int) -> None:
        os.fdatasync(descriptor)

    def sync_path(self, path: Path) -> None:
        """Make a file's bytes, or a folder's names, durable."""
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def rename(self, source: str, target: str) -> None:
        os.rename(source, target)

    def remove(self, path: Path) -> None:
        path.unlink()


@dataclass(frozen=True, slots=True)
class SegmentFile:
    """A segment as it lies in the spool."""

    path: Path
    number: int
    finished: bool

    @classmethod
    def of(cls, path: Path) -> SegmentFile | None:
        if path.suffix not in (FINISHED, OPEN) or not path.stem.isdigit():
            return None
        return cls(path, int(path.stem), path.suffix == FINISHED)


@dataclass(frozen=True, slots=True)
class Gateway:
    """One gateway process's folder. Of a living one only finished segments may be taken."""

    id: str
    folder: Path
    alive: bool
    ending: str
    """How it ended, or the boot of the machine that it ran in: the beginning of its lock file."""
    numbers: Mapping[str, int]
    """Endpoint -> last number, noted in its lock file when the disk took nothing else."""

    @property
    def lost_power(self) -> bool:
        """Whether the machine went down while it was running."""
        return not self.alive and self.ending not in (_ENDED, _KEYLESS, boot_id())

    @property
    def was_keyless(self) -> bool:
        """Whether its lake could not be opened, so that all its calls are lost."""
        return self.ending == _KEYLESS

    def segments(self) -> list[SegmentFile]:
        """In the order in which they were written."""
        found = (SegmentFile.of(path) for path in self.folder.iterdir())
        return sorted(filter(None, found), key=lambda one: one.number)


def segment_path(folder: str, number: int, suffix: str = OPEN) -> str:
    return f"{folder}/{number:0{_DIGITS}d}{suffix}"


def gateways(folder: Path) -> list[Gateway]:
    """The gateways that have a folder in a lake's spool, by name."""
    if not folder.is_dir():
        return []
    with gateways_locked(folder):
        places = sorted(path for path in folder.iterdir() if path.is_dir())
        return [
            Gateway(place.name, place, is_held(place / LOCK), *_told(place / LOCK))
            for place in places
        ]


def new_gateway(folder: Path, gateway_id: str) -> int | None:
    """Make a gateway's folder, durably, and hold its lock; None when the name is taken.

    Returns the lock's descriptor: closing it, or dying, says that the gateway is gone. Raises
    LakeError and OSError.
    """
    return _new_gateway(folder, gateway_id, told=boot_id())


def new_keyless_gateway(folder: Path, gateway_id: str) -> int | None:
    """The same for a gateway that has no key to write segments with."""
    return _new_gateway(folder, gateway_id, told=_KEYLESS)


def _new_gateway(folder: Path, gateway_id: str, *, told: str) -> int | None:
    Disk().make_folders(folder)
    with gateways_locked(folder):
        place = folder / gateway_id
        try:
            place.mkdir()
        except FileExistsError:
            return None
        descriptor = os.open(place / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        # All of its blocks are taken now, so that a full disk has room for what is noted later.
        os.write(descriptor, told.encode().ljust(_ENDING_BYTES).ljust(_LOCK_BYTES, b"\n"))
        os.fsync(descriptor)
        SpoolDisk().sync_path(folder)
        return descriptor


def end_gateway(descriptor: int) -> None:
    """Say that the gateway ended by itself, and let go of its lock."""
    try:
        with suppress(OSError):
            os.pwrite(descriptor, _ENDED.encode().ljust(_ENDING_BYTES), 0)
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def note_numbers(descriptor: int, numbers: bytes) -> None:
    """Keep the last number of each endpoint (as JSON) where a full disk still takes it."""
    if len(numbers) < _LOCK_BYTES - _ENDING_BYTES:
        with suppress(OSError):
            os.pwrite(descriptor, numbers + b"\n", _ENDING_BYTES)


def remove_gateway(gateway: Gateway) -> None:
    """Take away the folder of a dead gateway that left no segments."""
    with suppress(FileNotFoundError):
        (gateway.folder / LOCK).unlink()
    with suppress(FileNotFoundError):
        gateway.folder.rmdir()


def bytes_in(folder: Path) -> int:
    """How many bytes of segments lie in a lake's spool. Raises OSError."""
    return sum(_size(path) for path in folder.glob("*/*") if path.suffix in (FINISHED, OPEN))


def gateways_locked(folder: Path) -> AbstractContextManager[None]:
    """While it is held, no gateway gets a folder in a lake's spool."""
    return locked(folder / _GATEWAYS_LOCK)


@contextmanager
def recording(folder: Path) -> Iterator[bool]:
    """Be the only recorder of a lake's spool in the block; whether this one is."""
    with _open_lock(folder / _RECORDER_LOCK) as descriptor:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock file in the block, waiting for it."""
    with _open_lock(path) as descriptor:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield


def boot_id() -> str:
    """Names this run of the machine: another one means that the power was off in between."""
    try:
        return _BOOT.read_text(encoding="ascii").strip()
    except OSError:
        return ""


@contextmanager
def _open_lock(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _told(lock: Path) -> tuple[str, dict[str, int]]:
    """What a lock file says; a torn one says nothing."""
    try:
        content = lock.read_bytes()
        ending = content[:_ENDING_BYTES].decode("ascii").strip()
        numbers = content[_ENDING_BYTES:].partition(b"\n")[0]
        return ending, orjson.loads(numbers) if numbers else {}
    except (OSError, ValueError):
        return "", {}


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0  # recorded in between
