"""What an erasure finds outside of the lakes on this machine: dataset versions and exports.

Lines that render an erased call leave the files that are here; what lies elsewhere, and files
that do not tell which line is which call, can only be named.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from loopwright.daemon.client import DaemonClient
from loopwright.daemon.declared import DaemonFolder
from loopwright.daemon.presence import Presence
from loopwright.disk import Disk
from loopwright.errors import LakeError
from loopwright.hashing import file_digest
from loopwright.lake.capture.recorder import Recorder
from loopwright.lake.capture.spool import gateways
from loopwright.lake.datasets.catalog import MANIFEST, Catalog
from loopwright.lake.erasing.erased_lines import erase_lines, lines_about
from loopwright.lake.store import Lake
from loopwright.providers.local.erasing_batches import (
    erase_batches,
    lines_by_batch,
    unfinished_batches,
)
from loopwright.providers.local.erasing_evaluations import erase_evaluations, items_by_evaluation
from loopwright.providers.local.erasing_lines import identifier, lines
from loopwright.providers.local.places import Places
from loopwright.providers.local.receipts import Receipt, exports_of

_FLUSH_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Copy:
    """Something that was made of calls."""

    kind: str
    """`version` of a dataset, `export`, `batch` or `evaluation`."""
    name: str
    """Its external id as state has it."""
    lines: int | None
    """How many of its lines are about the calls in question; None where it does not tell."""
    erasable: bool
    """Whether they can be taken out here."""
    made_again: bool = False
    """Whether it is removed whole, since its lines do not tell: the next apply makes it anew."""


@dataclass(frozen=True, slots=True)
class LocalErasing:
    """Erasing in the folders of one provider."""

    places: Places

    def settle(self, lakes: Mapping[str, Lake]) -> None:
        """Have every captured call in its lake; `lakes` by name.

        Raises LakeError while calls wait in a log that nobody can empty now.
        """
        folder = DaemonFolder(self.places.state)
        client = DaemonClient.of(folder.path)
        if client is not None:
            settled = client.flush(seconds=_FLUSH_SECONDS)
        elif Presence(folder.path).is_alive:
            settled = False
        else:
            settled = _recorded(folder.spool, lakes)
        if not settled:
            raise LakeError(
                "captured calls are still on their way into the lake, so they cannot be erased yet",
                hint="`loopwright lake audit` tells which; try again when they are in",
            )

    def copies(self, call_ids: Collection[str], *, lakes: Collection[str]) -> tuple[Copy, ...]:
        """What renders one of these calls of these lakes, also where its lines are gone already."""
        if not call_ids:
            return ()
        versions = {name: count for name, _, count in self._versions(call_ids)}
        found = [Copy("version", name, count, erasable=True) for name, count in versions.items()]
        for receipt in exports_of(self.places).all():
            copy = self._export(receipt, call_ids, versions, lakes)
            if copy.lines != 0:
                found.append(copy)
        answered = lines_by_batch(self.places, call_ids)
        found += [Copy("batch", name, count, erasable=True) for name, count in answered.items()]
        asked = items_by_evaluation(self.places, versions)
        found += [Copy("evaluation", name, count, erasable=True) for name, count in asked.items()]
        return tuple(sorted(found, key=lambda copy: (copy.kind, copy.name)))

    def erase(self, call_ids: Collection[str], *, lakes: Collection[str]) -> None:
        """Take the lines of these calls out of everything that is here. Safe to repeat.

        An export of text of these lakes whose lines do not tell goes whole, with its receipt.

        Nothing may be built or exported meanwhile: what such work left half done goes altogether.
        """
        for remainder in self._remainders():
            shutil.rmtree(remainder)
        versions = {name: folder for name, folder, _ in self._versions(call_ids)}
        for folder in versions.values():
            erase_lines(folder, call_ids, disk=Disk())
        erase_evaluations(self.places, versions)
        erase_batches(self.places, call_ids)
        receipts = exports_of(self.places)
        for receipt in receipts.all():
            copy, folder = (
                self._export(receipt, call_ids, {}, lakes),
                self.places.path(receipt.place),
            )
            if copy.made_again:
                _remove_export(folder, receipt)
                receipts.remove(receipt.place)
            elif copy.erasable:
                _erase_export(folder, receipt, call_ids)
                facts = {**receipt.facts, "files": _digests(folder)}
                receipts.put(replace(receipt, facts=facts))

    def _remainders(self) -> Iterator[Path]:
        """Folders that killed builds, exports and batches left: text lies in them."""
        yield from unfinished_batches(self.places)
        for folder in self.places.datasets.glob("*/v*"):
            if folder.is_dir() and not (folder / MANIFEST).exists():
                yield folder
        for receipt in exports_of(self.places).all():
            if "://" not in receipt.place:
                place = self.places.path(receipt.place)
                yield from place.parent.glob(f".{place.name}.*")

    def _versions(self, call_ids: Collection[str]) -> Iterator[tuple[str, Path, int]]:
        catalog = Catalog(self.places.datasets)
        for name in catalog.names():
            for number in catalog.versions(name):
                folder = catalog.folder(name, number)
                if count := lines_about(folder, call_ids):
                    yield f"{name}@v{number}", folder, count

    def _export(
        self,
        receipt: Receipt,
        call_ids: Collection[str],
        versions: Mapping[str, int],
        lakes: Collection[str],
    ) -> Copy:
        name = receipt.external_id
        if "masterKey" in receipt.outputs:  # an inference dataset is a lake, and erased like one
            return Copy("export", name, 0, erasable=False)
        if "://" in receipt.place:
            return Copy("export", name, self._lines_elsewhere(receipt, versions), erasable=False)
        count = _count(self.places.path(receipt.place), receipt, call_ids)
        if count is None:
            opened = receipt.facts.get("textOf")  # an older version did not write it down
            holds = opened is None or opened in lakes
            return Copy("export", name, None if holds else 0, erasable=False, made_again=holds)
        return Copy("export", name, count, erasable=bool(count))

    def _lines_elsewhere(self, receipt: Receipt, versions: Mapping[str, int]) -> int | None:
        """An export of a version has as many lines as the version, while that is here to tell."""
        name, number = (receipt.outputs.get(key) for key in ("dataset", "datasetVersion"))
        if name is None or number not in Catalog(self.places.datasets).versions(str(name)):
            return None
        return versions.get(f"{name}@v{number}", 0)


def _recorded(spool: Path, lakes: Mapping[str, Lake]) -> bool:
    """No daemon lives: empty the logs that it left. Whether that could be done."""

    def opened(name: str) -> Lake:
        if name not in lakes:
            raise LakeError(f"Lake/{name} is not recorded here")
        return lakes[name]

    recorder = Recorder(spool, opened)
    until = time.monotonic() + _FLUSH_SECONDS
    while time.monotonic() < until:
        step = recorder.step()
        if lakes.keys() & step.problems.keys():
            return False
        if not step.segments:
            return not any(
                gateway.segments() for name in lakes for gateway in gateways(spool / name)
            )
    return False


def _count(folder: Path, receipt: Receipt, call_ids: Collection[str]) -> int | None:
    if (folder / MANIFEST).is_file():
        return lines_about(folder, call_ids)
    counts = [_lines_in(path, set(call_ids)) for path in _line_files(folder, receipt)]
    if None in counts:
        return None
    return sum(filter(None, counts))


def _lines_in(path: Path, call_ids: set[str]) -> int | None:
    """None when a line does not say which call it is."""
    count = 0
    for line in lines(path):
        call_id = identifier(line, "call_id")
        if call_id is None:
            return None
        count += call_id in call_ids
    return count


def _erase_export(folder: Path, receipt: Receipt, call_ids: Collection[str]) -> None:
    if (folder / MANIFEST).is_file():
        erase_lines(folder, call_ids, disk=Disk())
        return
    gone = set(call_ids)
    for path in _line_files(folder, receipt):
        if _lines_in(path, gone):
            with Disk().staged(path) as handle:
                handle.writelines(
                    line for line in lines(path) if identifier(line, "call_id") not in gone
                )


def _remove_export(folder: Path, receipt: Receipt) -> None:
    for name in receipt.facts.get("files", ()):
        Disk().discard(folder / name)
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def _line_files(folder: Path, receipt: Receipt) -> Iterator[Path]:
    for name in receipt.facts.get("files", ()):
        path = folder / name
        if path.suffix == ".jsonl" and path.is_file():
            yield path


def _digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): file_digest(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
