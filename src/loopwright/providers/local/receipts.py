"""Receipts: one small file a finished run, beside what it made, bearing our owner tag.

They tell what exists without opening the data, and let a lost state be rebuilt. A receipt is
written when the result is durable, never before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from loopwright.disk import Disk
from loopwright.errors import PermanentError
from loopwright.hashing import sha256_hex
from loopwright.providers.local.places import Places


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a run made, for whom."""

    external_id: str
    owner: str
    revision: int | None = None
    outputs: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What the adapter itself needs to know of it later."""
    place: str = ""
    """Where only one result can be at a time; a later one there replaces this receipt."""


@dataclass(frozen=True, slots=True)
class Receipts:
    """The receipts in one folder. A missing folder holds none."""

    folder: Path

    def put(self, receipt: Receipt) -> None:
        """Durable when this returns; replaces an earlier one of the same place or id."""
        disk = Disk()
        disk.make_folders(self.folder)
        disk.write_atomic(self._file(receipt.place or receipt.external_id), orjson.dumps(receipt))

    def get(self, name: str) -> Receipt | None:
        """By place where results have one, else by external id."""
        path = self._file(name)
        return _read(path) if path.is_file() else None

    def remove(self, name: str) -> None:
        Disk().discard(self._file(name))

    def all(self) -> Iterator[Receipt]:
        """The newest first. One that somebody removes in the meantime may be among them or not."""
        found: list[tuple[int, str, Receipt]] = []
        for path in self.folder.glob("*.json"):
            with suppress(FileNotFoundError):
                found.append((path.stat().st_mtime_ns, path.name, _read(path)))
        yield from (receipt for *_, receipt in sorted(found, key=lambda one: one[:2], reverse=True))

    def owned(self, owner: str, revision: int | None = None) -> Iterator[Receipt]:
        """Those that bear an owner tag, the newest first; of one revision where it is given."""
        for receipt in self.all():
            if owner and receipt.owner == owner and revision in (None, receipt.revision):
                yield receipt

    def _file(self, name: str) -> Path:
        return self.folder / f"{sha256_hex(name.encode())[:16]}.json"


def known_lakes(places: Places) -> Receipts:
    """The lakes that an environment keeps; for `doctor`."""
    return Receipts(places.state / "lakes")


def exports_of(places: Places) -> Receipts:
    """The exports of an environment, by the place they were put in."""
    return Receipts(places.state / "exports")


def _read(path: Path) -> Receipt:
    try:
        return Receipt(**orjson.loads(path.read_bytes()))
    except (ValueError, TypeError) as error:
        raise PermanentError(
            f"the receipt {path} is damaged", hint="restore it, or remove it and apply again"
        ) from error
