"""Small lakes, made-up calls, and disks that crash, fill up or forget what was not synced."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa

from loopwright.disk import Disk
from loopwright.lake.keys import MasterKey
from loopwright.lake.store import Lake, Snapshot

MASTER = MasterKey(b"\x07" * 32)
MARKER = "zebra-crossing-4711"  # stands for text that must never lie in the clear
DAY = 86_400_000_000


def call(number: int, **columns: Any) -> dict[str, Any]:
    """Call `number`: each has another text, three share a second, days change every ten."""
    return {
        "call_id": f"call-{number}",
        "ts": number // 3 * 1_000_000 + number // 10 * DAY,
        "endpoint": "chat",
        "model": f"m{number % 2}",
        "outcome": "ok",
        "tags": {"n": str(number)} if number % 2 else None,
        "request": f'{{"messages":[{{"role":"user","content":"{MARKER} {number}"}}]}}',
        "response": f'{{"choices":[],"n":{number}}}',
    } | columns


def calls(*numbers: int, **columns: Any) -> list[dict[str, Any]]:
    return [call(number, **columns) for number in numbers]


def new_lake(root: Path, **options: Any) -> Lake:
    return Lake.create(root, master=MASTER, **({"disk": QuickDisk()} | options))


def table(snapshot: Snapshot, columns: list[str], **options: Any) -> pa.Table:
    """What a scan gives, by ingest sequence."""
    read = [*columns, "seq"] if "seq" not in columns else columns
    batches = list(snapshot.scan(read, **options))
    if not batches:
        return pa.table({name: [] for name in columns})
    return pa.Table.from_batches(batches).sort_by("seq").select(columns)


def ids(snapshot: Snapshot, **options: Any) -> list[str]:
    """The ids of a scan's calls, by ingest sequence."""
    return list(table(snapshot, ["call_id"], **options)["call_id"].to_pylist())


def data_files(lake: Lake) -> list[Path]:
    return [lake.root / file.path for file in lake.manifest.head().files]


def all_bytes(root: Path) -> Iterator[tuple[Path, bytes]]:
    for path in root.rglob("*"):
        if path.is_file():
            yield path, path.read_bytes()


class CrashError(BaseException):
    """The process ends here: nothing after it may run, so it is no Exception."""


class QuickDisk(Disk):
    """Asks the system for no durability: for work whose crash is not what is tested."""

    def sync_file(self, handle: BinaryIO) -> None:
        handle.flush()

    def sync_folder(self, folder: Path) -> None:
        pass


class CrashingDisk(QuickDisk):
    """Dies before its `die_at`th primitive (from 1), and knows what a power cut then leaves.

    Only synced bytes under synced names survive `cut_power`; after a mere kill all written do.
    """

    def __init__(self, die_at: int | None = None) -> None:
        self.steps = 0
        self.die_at = die_at
        self._fresh = count()
        self._token: dict[int, int] = {}  # inode -> which file it stands for now
        self._synced: dict[int, bytes] = {}
        self._names: dict[Path, dict[str, int | None]] = {}

    def _step(self) -> None:
        self.steps += 1
        if self.die_at is not None and self.steps >= self.die_at:
            raise CrashError

    def create(self, path: Path, *, mode: int = 0o644) -> BinaryIO:
        self._step()
        handle = super().create(path, mode=mode)
        self._token[os.fstat(handle.fileno()).st_ino] = next(self._fresh)
        return handle

    def open_append(self, path: Path, *, mode: int = 0o644) -> BinaryIO:
        self._step()
        new = not path.exists()
        handle = super().open_append(path, mode=mode)
        if new:
            self._token[os.fstat(handle.fileno()).st_ino] = next(self._fresh)
        return handle

    def sync_file(self, handle: BinaryIO) -> None:
        self._step()
        super().sync_file(handle)
        token = self._token[os.fstat(handle.fileno()).st_ino]
        self._synced[token] = Path(handle.name).read_bytes()

    def sync_folder(self, folder: Path) -> None:
        self._step()
        super().sync_folder(folder)
        self._names[folder] = {
            path.name: None if path.is_dir() else self._token.get(path.stat().st_ino, -1)
            for path in folder.iterdir()
        }

    def rename(self, source: Path, target: Path) -> None:
        self._step()
        super().rename(source, target)

    def link(self, source: Path, target: Path) -> None:
        self._step()
        super().link(source, target)

    def remove(self, path: Path) -> None:
        self._step()
        super().remove(path)

    def make_folder(self, folder: Path) -> None:
        self._step()
        super().make_folder(folder)

    def cut_power(self, folder: Path) -> None:
        """Put `folder` into the state that a power cut would leave."""
        durable = self._names.get(folder, {})
        for path in list(folder.iterdir()):
            if path.name not in durable:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        for name, token in durable.items():
            path = folder / name
            if token is None:
                path.mkdir(exist_ok=True)
                self.cut_power(path)
            else:
                path.unlink(missing_ok=True)
                path.write_bytes(self._synced.get(token, b""))


class FullDisk(Disk):
    """Takes `room` more bytes, then says what a full disk says (or another errno)."""

    def __init__(self, room: int, *, code: int = errno.ENOSPC) -> None:
        self._room = room
        self._code = code

    def create(self, path: Path, *, mode: int = 0o644) -> BinaryIO:
        return _Bounded(super().create(path, mode=mode), self)  # type: ignore[return-value]

    def take(self, size: int) -> None:
        self._room -= size
        if self._room < 0:
            raise OSError(self._code, os.strerror(self._code))


class _Bounded:
    def __init__(self, handle: BinaryIO, disk: FullDisk) -> None:
        self._handle = handle
        self._disk = disk

    def write(self, data: Any) -> int:
        self._disk.take(len(data))
        return self._handle.write(data)

    def __enter__(self) -> _Bounded:
        return self

    def __exit__(self, *_: object) -> None:
        self._handle.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._handle, name)
