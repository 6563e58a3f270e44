"""Data that recorded providers keep on this machine: their dataset folders, their lakes.

The data commands find it by the state, and speak to the provider through a small protocol.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from loopwright.cli.acting import acting_project
from loopwright.errors import LoopwrightError
from loopwright.manifests.diagnostics import nearest

if TYPE_CHECKING:
    from loopwright.cli.common import ProjectOptions
    from loopwright.lake.datasets.catalog import Catalog
    from loopwright.lake.datasets.version import VersionManifest
    from loopwright.lake.keys import Role
    from loopwright.lake.store import Lake

_VERSION = re.compile(r"v?([1-9][0-9]*)")


@runtime_checkable
class HoldsData(Protocol):
    """What a provider that keeps data on this machine offers beside its adapters."""

    datasets: Path

    def open_lake(
        self, storage: str, outputs: Mapping[str, Any], *, role: Role, only_adds: bool = False
    ) -> Lake: ...


@dataclass(frozen=True, slots=True)
class RecordedLake:
    """A lake as state knows it."""

    name: str
    storage: str
    outputs: Mapping[str, Any]
    keeper: HoldsData
    spool: Path | None = None
    """Where calls wait that gateways on this machine captured for it."""
    daemon: Path | None = None
    """Folder of the daemon that those gateways run in."""

    def open(self, role: Role) -> Lake:
        """Raises LakeError when it is not there, LakeKeyError without the right master key."""
        return self.keeper.open_lake(self.storage, self.outputs, role=role)

    def open_to_add(self) -> Lake:
        """For rows of somebody who may not open text: none is read back. Raises like `open`."""
        from loopwright.lake.keys import Role

        return self.keeper.open_lake(self.storage, self.outputs, role=Role.STANDARD, only_adds=True)


@dataclass(frozen=True, slots=True)
class RecordedData:
    """Everything of one environment."""

    keepers: tuple[HoldsData, ...]
    lakes: tuple[RecordedLake, ...]
    inference_datasets: tuple[RecordedLake, ...] = ()
    """Each is a small lake of its own, made by an Export."""

    def catalogs(self) -> Iterator[Catalog]:
        """Each datasets folder once, however many providers share it."""
        from loopwright.lake.datasets.catalog import Catalog

        for folder in dict.fromkeys(keeper.datasets for keeper in self.keepers):
            yield Catalog(folder)

    def version(self, text: str) -> tuple[Catalog, VersionManifest]:
        """What `NAME[@vN]` means; without a number the newest. Raises LoopwrightError."""
        name, at, label = text.partition("@")
        number = _VERSION.fullmatch(label)
        if at and number is None and label != "latest":
            raise LoopwrightError(f"{text!r} names no version", hint="write NAME or NAME@v2")
        catalogs = list(self.catalogs())
        for catalog in catalogs:
            if catalog.versions(name):
                return catalog, catalog.load(name, int(number[1]) if number else None)
        known = [found for catalog in catalogs for found in catalog.names()]
        near = nearest(name, known)
        raise LoopwrightError(
            f"there is no dataset {name!r} on this machine",
            hint=f"did you mean {near}?" if near else "`loopwright dataset list` lists them",
        )

    def lake_of(self, manifest: VersionManifest) -> RecordedLake | None:
        """The lake or inference dataset a version was built from; None when it is not here."""
        known = (*self.lakes, *self.inference_datasets)
        return next((lake for lake in known if lake.outputs.get("id") == manifest.lake_id), None)

    def lake(self, name: str | None) -> RecordedLake:
        """A lake by name; the only one when no name is given. Raises LoopwrightError."""
        named = name.removeprefix("Lake/") if name else None
        found = [lake for lake in self.lakes if named in (None, lake.name)]
        if len(found) == 1:
            return found[0]
        known = ", ".join(lake.name for lake in self.lakes)
        if not self.lakes:
            raise LoopwrightError(
                "no lake on this machine is recorded", hint="make one with `loopwright apply`"
            )
        if name:
            raise LoopwrightError(f"there is no lake {name!r} here", hint=f"there are {known}")
        raise LoopwrightError("there are several lakes", hint=f"say which: {known}")


@contextmanager
def recorded_data(options: ProjectOptions) -> Iterator[RecordedData]:
    """What the recorded providers of the project and environment keep here."""
    from loopwright.daemon.declared import DaemonFolder
    from loopwright.engine.pool import ProviderPool

    workspace = options.workspace()
    folder = DaemonFolder(workspace.state_dir)
    records = workspace.state().records()
    pool = ProviderPool(workspace, {}, records, project=acting_project(options, workspace))
    try:
        keepers = {
            name: found
            for name in pool.names()
            if isinstance(found := pool.provider(name), HoldsData)
        }
        lakes = (
            RecordedLake(
                address.name,
                record.external_id,
                record.outputs,
                keepers[record.provider],
                folder.spool / address.name,
                folder.path,
            )
            for address, record in sorted(records.items())
            if address.kind == "Lake" and record.external_id and record.provider in keepers
        )
        made = (
            RecordedLake(name, record.outputs["path"], record.outputs, keepers[record.provider])
            for address, record in sorted(records.items())
            if address.kind == "Export" and record.provider in keepers
            if (name := record.outputs.get("inferenceDataset"))
        )
        yield RecordedData(tuple(keepers.values()), tuple(lakes), tuple(made))
    finally:
        pool.close()


def size_words(count: int) -> str:
    """Bytes for people: `163 kB`."""
    size = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}" if unit != "B" else f"{count} B"
        size /= 1000
    return f"{size:,.1f} TB"
