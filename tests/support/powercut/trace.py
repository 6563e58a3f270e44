"""What a process did to a directory, and the directory that a power cut would have left.

The model is the strictest that POSIX allows: bytes survive once their file was synced, names once
their folder was; of the rest `survives` decides. Real disks keep some of it, in any order.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path

_HEADER = struct.Struct("<BIIQq")


class Op(IntEnum):
    """What the shim logs; the numbers are those of shim.c."""

    CREATE = 1
    WRITE = 2
    TRUNCATE = 3
    SYNC = 4
    RENAME = 5
    LINK = 6
    UNLINK = 7
    MKDIR = 8
    SAY = 9


@dataclass(frozen=True, slots=True)
class Event:
    """One call that succeeded. `data`: bytes written or said, or the source of a rename."""

    op: Op
    path: str
    inode: int
    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Start:
    """A directory before the process ran: inodes by path (None: a folder), bytes by inode."""

    root: Path
    names: dict[str, int | None]
    contents: dict[int, bytes]

    @classmethod
    def of(cls, root: Path) -> Start:
        names: dict[str, int | None] = {str(root): None}
        contents = {}
        for path in root.rglob("*"):
            names[str(path)] = None if path.is_dir() else path.stat().st_ino
            if path.is_file():
                contents[path.stat().st_ino] = path.read_bytes()
        return cls(root, names, contents)


@dataclass(frozen=True)
class Trace:
    """What a process did below a directory and said on its standard output, in order."""

    start: Start
    events: tuple[Event, ...]

    @property
    def said(self) -> list[tuple[int, str]]:
        """(position, line) of each line on standard output, to cut right after one."""
        lines, line = [], ""
        for position, event in enumerate(self.events):
            line += event.data.decode() if event.op is Op.SAY else ""
            if event.op is Op.SAY and line.endswith("\n"):
                lines.append((position, line.rstrip()))
                line = ""
        return lines

    def after_cut(
        self, at: int, *, into: Path, survives: Callable[[Event], bool] = lambda _: False
    ) -> Path:
        """Write what is left when the power goes right after event `at` to the new folder `into`.

        `survives` picks changes that reached the disk although nothing had synced them.
        """
        disk = _Disk(self.start)
        for event in self.events[: at + 1]:
            disk.see(event)
        disk.cut(survives)
        disk.write_to(into)
        return into


def read_events(log: Path) -> Iterator[Event]:
    """The events of a log that the shim wrote."""
    raw, place = log.read_bytes(), 0
    while place < len(raw):
        op, path_size, data_size, inode, offset = _HEADER.unpack_from(raw, place)
        place += _HEADER.size
        path, data = raw[place : place + path_size], raw[place + path_size :][:data_size]
        place += path_size + data_size
        yield Event(Op(op), path.decode(), inode, offset, data)


@dataclass(slots=True)
class _File:
    durable: bytearray = field(default_factory=bytearray)
    waiting: list[Event] = field(default_factory=list)

    def settle(self, survives: Callable[[Event], bool]) -> None:
        for event in self.waiting:
            if survives(event):
                self._change(event)
        self.waiting.clear()

    def _change(self, event: Event) -> None:
        end = event.offset + len(event.data)
        if len(self.durable) < end:
            self.durable.extend(bytes(end - len(self.durable)))
        if event.op is Op.TRUNCATE:
            del self.durable[event.offset :]
        else:
            self.durable[event.offset : end] = event.data


class _Disk:
    """The tree as it is on the platter, and the changes that are not there yet."""

    def __init__(self, start: Start) -> None:
        self.root = start.root
        self.names = dict(start.names)
        self.files = {inode: _File(bytearray(data)) for inode, data in start.contents.items()}
        self.waiting: list[Event] = []

    def see(self, event: Event) -> None:
        match event.op:
            case Op.WRITE | Op.TRUNCATE:
                self.files[event.inode].waiting.append(event)
            case Op.SYNC if event.inode in self.files:
                self.files[event.inode].settle(lambda _: True)
            case Op.SYNC:
                self._settle_names(lambda name: str(Path(name.path).parent) == event.path)
            case Op.SAY:
                pass
            case _:
                self._reuse_inode(event)
                self.waiting.append(event)

    def cut(self, survives: Callable[[Event], bool]) -> None:
        for file in self.files.values():
            file.settle(survives)
        self._settle_names(survives)

    def write_to(self, target: Path) -> None:
        for path, inode in sorted(self.names.items()):
            place = target / Path(path).relative_to(self.root)
            if path != str(self.root) and not place.parent.is_dir():
                continue  # its folder is not there
            if inode is None:
                place.mkdir()
            else:
                place.write_bytes(self.files[inode].durable)

    def _reuse_inode(self, event: Event) -> None:
        if event.op is Op.CREATE:
            self.files[event.inode] = _File()
        elif event.op is Op.MKDIR:
            self.files.pop(event.inode, None)

    def _settle_names(self, chosen: Callable[[Event], bool]) -> None:
        verdicts = [(event, chosen(event)) for event in self.waiting]
        self.waiting = [event for event, now in verdicts if not now]
        for event, now in verdicts:
            if now:
                self._name(event)

    def _name(self, event: Event) -> None:
        match event.op:
            case Op.UNLINK:
                self.names.pop(event.path, None)
            case Op.RENAME:
                self._move(event.data.decode(), event)
            case Op.MKDIR:
                self.names[event.path] = None
            case _:
                self.names[event.path] = event.inode

    def _move(self, source: str, event: Event) -> None:
        self.names.pop(source, None)
        for path in [path for path in self.names if path.startswith(f"{source}/")]:
            self.names[event.path + path.removeprefix(source)] = self.names.pop(path)
        self.names[event.path] = event.inode if event.inode in self.files else None
