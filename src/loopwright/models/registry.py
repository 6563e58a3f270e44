"""The model registry: `<name>/v<N>/{weights, tokenizer, README.md, model.json}`.

A revision is one from the moment its `model.json` lies there, and not before: a folder without
one is a remainder that the next commit clears away. Numbers are never given twice, and a name
belongs to the resource that began it.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from loopwright.disk import Disk
from loopwright.errors import ModelError
from loopwright.models.aliases import Aliases
from loopwright.models.card import card
from loopwright.models.digests import Digests
from loopwright.models.pins import Pins
from loopwright.models.sealing import described, seal
from loopwright.models.verifying import verify
from loopwright.models.version import RECORD, BaseFacts, ModelVersion, read_version
from loopwright.models.weights import is_adapter

_MARKER = "registry.json"
_LOCKS = ".locks"
_STAGING = ".staging"
_VERSION = re.compile(r"v([1-9][0-9]*)")
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


@dataclass(frozen=True)
class Registry:
    """The models under `root`."""

    root: Path
    disk: Disk = field(default_factory=Disk)

    @property
    def pins(self) -> Pins:
        """What is remembered of base models."""
        return Pins(self.root)

    @property
    def digests(self) -> Digests:
        return self.pins.digests

    def names(self) -> tuple[str, ...]:
        """Models that have an owner, sorted."""
        return tuple(sorted(path.parent.name for path in self.root.glob(f"*/{_MARKER}")))

    def versions(self, name: str) -> tuple[int, ...]:
        """Numbers of the committed revisions, ascending."""
        folders = (path.parent.name for path in (self.root / name).glob(f"*/{RECORD}"))
        return tuple(sorted(int(found[1]) for one in folders if (found := _VERSION.fullmatch(one))))

    def owner(self, name: str) -> str | None:
        """Who began the model; None when nobody owns the name."""
        owner = self._marker(name).get("owner")
        return owner if isinstance(owner, str) else None

    def next_version(self, name: str) -> int:
        """One more than the greatest number ever committed, removed revisions included."""
        last = int(self._marker(name).get("last_version", 0))
        return 1 + max(last, max(self.versions(name), default=0))

    def folder(self, name: str, version: int) -> Path:
        """Where a revision lies, or would."""
        return self.root / name / f"v{version}"

    def get(self, name: str, version: int | str | None = None) -> ModelVersion:
        """A revision by number or alias, the newest by default. Raises ModelError."""
        versions = self.versions(name)
        wanted = self._number(name, version, versions)
        if wanted is None or wanted not in versions:
            which = f"{name}@{version}" if version is not None else f"model {name}"
            have = ", ".join(f"{name}@{number}" for number in versions) or "none"
            raise ModelError(f"there is no {which} in the registry {self.root}", hint=f"has {have}")
        found = read_version(self.folder(name, wanted) / RECORD)
        if (found.name, found.version) != (name, wanted):
            raise ModelError(f"{found.folder / RECORD} is the record of {found.label}")
        return found

    def all(self, name: str) -> list[ModelVersion]:
        """Every revision of a model, oldest first."""
        return [self.get(name, version) for version in self.versions(name)]

    def made_by(self, name: str, run: str) -> ModelVersion | None:
        """The revision that a run committed; None when it did not come to that."""
        return next((found for found in self.all(name) if run and found.run == run), None)

    def aliases(self, name: str) -> dict[str, int]:
        """Alias -> number, of those whose revision is there."""
        there = self.versions(name)
        found = Aliases(self.root / name).load()
        return {alias: number for alias, number in found.items() if number in there}

    def aliases_of(self, version: ModelVersion) -> list[str]:
        """The aliases that mean this revision, sorted."""
        found = self.aliases(version.name)
        return sorted(alias for alias, number in found.items() if number == version.version)

    def alias(self, name: str, version: int, alias: str) -> None:
        """Let an alias mean a revision; it is moved when it meant another. Raises ModelError."""
        found = self.get(name, version)
        with self._locked(name):
            Aliases(self.root / name, self.disk).put(alias, found.version)

    def remove_alias(self, name: str, alias: str) -> None:
        """Raises ModelError when there is no such alias."""
        with self._locked(name):
            Aliases(self.root / name, self.disk).remove(alias)

    def staging(self, name: str, version: int) -> Path:
        """An empty folder to fill with a revision's files. Raises ModelError on a bad name."""
        folder = self._staged(name, version)
        self._clear(folder)
        self.disk.make_folders(folder)
        return folder

    def commit(
        self,
        name: str,
        version: int,
        *,
        owner: str,
        base: BaseFacts | None,
        lineage: Mapping[str, Any],
        metrics: Mapping[str, Any],
        created_at: str,
        run: str = "",
        licence: str = "",
        trust_remote_code: bool = False,
    ) -> ModelVersion:
        """Make what was staged a revision. What this `run` committed before is given back.

        A number that another run took meanwhile is followed by the next free one. The folder is
        moved in whole and durable before its record is written, so a kill leaves a revision or
        none. Raises ModelError: another's name, nothing staged, no safetensors, untrusted code.
        """
        staged = self._staged(name, version)
        with self.held(name, owner=owner):
            if (before := self.made_by(name, run)) is not None:
                self._clear(staged)
                return before
            number = version if version not in self.versions(name) else self.next_version(name)
            found = described(
                staged,
                ModelVersion(
                    name=name,
                    version=number,
                    owner=owner,
                    kind="adapter" if is_adapter(staged) else "full",
                    digest="",
                    files={},
                    base=base,
                    lineage=dict(lineage),
                    metrics=dict(metrics),
                    created_at=created_at,
                    folder=self.folder(name, number),
                    run=run,
                    trust_remote_code=trust_remote_code,
                ),
                self.digests,
            )
            seal(staged, card(found, licence=licence), keep=found.files, disk=self.disk)
            self._place(staged, found)
        return found

    def verify(self, version: ModelVersion, *, thorough: bool = True) -> None:
        """Raises ModelError naming a file that is missing or was changed.

        Unless `thorough`, files that were not touched since they were last read are believed.
        """
        verify(version, None if thorough else self.digests)

    def prune(
        self, name: str, keep: int, *, protected: Collection[str] = ()
    ) -> tuple[ModelVersion, ...]:
        """Remove all but the newest `keep` revisions, and give back what went.

        Never goes: what has a label or digest in `protected` (an endpoint serves it), what has an
        alias, and what another revision is tuned from or put on.
        """
        used = self._bases_in_use() | set(protected)
        gone = [
            found
            for found in self.all(name)[:-keep]
            if not {found.label, found.digest} & used and not self.aliases_of(found)
        ]
        for found in gone:
            self.remove(name, found.version, owner=found.owner)
        return tuple(gone)

    def remove(self, name: str, version: int, *, owner: str) -> None:
        """Take a revision away; its number stays used. Removing one that is gone is fine."""
        with self.held(name, owner=owner):
            self._mark(name, owner=owner, last_version=self.next_version(name) - 1)
            self.disk.discard(self.folder(name, version) / RECORD)
            self._clear(self.folder(name, version))

    def adopt(self, name: str, *, owner: str) -> None:
        """Give a name to another owner, as when a lost state is rebuilt."""
        with self._locked(name):
            self._mark(name, owner=owner, last_version=self.next_version(name) - 1)

    @contextmanager
    def held(self, name: str, *, owner: str) -> Iterator[None]:
        """Keep other writers of this model out. Raises ModelError when it is another's."""
        with self._locked(name):
            holder = self.owner(name)
            if holder not in (None, owner):
                raise ModelError(
                    f"the model {name} belongs to {holder}, not to {owner}",
                    hint="rename one of the two resources",
                )
            yield

    @contextmanager
    def _locked(self, name: str) -> Iterator[None]:
        _check_name(name)
        self.disk.make_folders(self.root / _LOCKS)
        with self.disk.lock(self.root / _LOCKS / name):
            yield

    def _staged(self, name: str, version: int) -> Path:
        _check_name(name)
        return self.root / name / f"{_STAGING}-v{version}"

    def _place(self, staged: Path, found: ModelVersion) -> None:
        if self.owner(found.name) is None:
            self._mark(found.name, owner=found.owner, last_version=found.version - 1)
        self._clear(found.folder)
        self.disk.rename(staged, found.folder)
        self.disk.sync_folder(found.folder.parent)
        self.disk.write_atomic(found.folder / RECORD, found.to_bytes())
        last = max(found.version, self.next_version(found.name) - 1)
        self._mark(found.name, owner=found.owner, last_version=last)

    def _number(
        self, name: str, version: int | str | None, versions: tuple[int, ...]
    ) -> int | None:
        if version is None or version == "latest":
            return max(versions, default=None)
        if isinstance(version, int):
            return version
        text = version.removeprefix("v")
        return int(text) if text.isdecimal() else self.aliases(name).get(version)

    def _bases_in_use(self) -> set[str]:
        """Digests that some revision is tuned from or put on."""
        every = (found for name in self.names() for found in self.all(name))
        return {found.base.digest for found in every if found.base is not None}

    def _marker(self, name: str) -> dict[str, Any]:
        path = self.root / name / _MARKER
        try:
            return dict(orjson.loads(path.read_bytes()))
        except FileNotFoundError:
            return {}
        except (ValueError, TypeError) as error:
            raise ModelError(f"cannot read {path}: it is not an owner's mark") from error

    def _mark(self, name: str, *, owner: str, last_version: int) -> None:
        marker = orjson.dumps({"owner": owner, "last_version": last_version})
        self.disk.write_atomic(self.root / name / _MARKER, marker)

    def _clear(self, folder: Path) -> None:
        """Remove a folder that is no revision (any more); its model's too when that is empty."""
        try:
            if folder.exists():
                shutil.rmtree(folder)
        except OSError as error:
            raise ModelError(f"cannot remove {folder}: {error.strerror}") from error
        with suppress(OSError):
            folder.parent.rmdir()


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise ModelError(
            f"{name!r} cannot be the name of a model",
            hint="small letters, digits and dashes, 63 at most",
        )
