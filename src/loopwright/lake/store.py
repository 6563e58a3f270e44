"""The lake: a folder of encrypted Parquet with its keys and file manifest, and snapshots of it.

A `Lake` is opened with a master key in a role. A `Snapshot` is the rows up to one ingest sequence,
and gives the same rows however the files are merged later. Writing lives in `ingest` and
`compaction`, the bytes of a file in `reading`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Self

from loopwright.clock import Clock, SystemClock
from loopwright.disk import Disk, is_temporary
from loopwright.errors import LakeError, LakeIntegrityError
from loopwright.hashing import file_digest
from loopwright.lake.audit import AuditLog
from loopwright.lake.encryption import DataKeys, Encryption
from loopwright.lake.exchange import HashKeys
from loopwright.lake.files import FileManifest, Head, LakeFile
from loopwright.lake.keys import MasterKey, Role
from loopwright.lake.keystore import KeyStore, LakeSecret, sealed_by
from loopwright.lake.partitions import CALLS, FEEDBACK, FOLDERS
from loopwright.lake.reading import FileReader
from loopwright.lake.settings import (
    KEPT_FOR_GOOD,
    Retention,
    Settings,
    read_settings,
    settings_file,
)
from loopwright.lake.snapshot import Snapshot
from loopwright.lake.status import LakeStatus, partition_status
from loopwright.lake.tables import TABLES
from loopwright.lake.writing import FileWriter


class Lake:
    """Recorded calls in a folder. Many may read and write at once, from many processes."""

    def __init__(
        self,
        root: Path,
        *,
        settings: Settings,
        keys: KeyStore,
        clock: Clock,
        disk: Disk,
    ) -> None:
        self.root = root
        self.lake_id = settings.id
        self.visibility_delay = settings.visibility_delay
        self.keys = keys
        self.clock = clock
        self.disk = disk
        self.encryption = Encryption(keys)
        self.manifest = FileManifest(
            root / "manifest", secret=keys.secret(LakeSecret.MANIFEST), disk=disk
        )
        self.reader = FileReader(root, encryption=self.encryption, manifest=self.manifest)
        self.writer = FileWriter(root, keys=keys, encryption=self.encryption, disk=disk)
        self.audit = AuditLog(root / "audit" / "opens.jsonl", clock=clock, disk=disk)

    @classmethod
    def create(
        cls,
        root: Path,
        *,
        master: MasterKey,
        role: Role = Role.ADMIN,
        visibility_delay: timedelta = timedelta(0),
        retention: Retention = KEPT_FOR_GOOD,
        hashed_like: Lake | None = None,
        clock: Clock | None = None,
        disk: Disk | None = None,
    ) -> Self:
        """Make a lake in `root`, or open the one that is there and give it these times.

        One that is made `hashed_like` another hashes subjects and contents as that one does.
        Raises LakeIntegrityError over calls whose `lake.json` is lost; else as `open`.
        """
        clock, disk = clock or SystemClock(), disk or Disk()
        for folder in ("keys", "manifest", *FOLDERS, "audit"):
            disk.make_folders(root / folder)
        with disk.lock(root / "lock"):
            held = settings_file(root).exists()
            if held:
                settings = read_settings(root)
                KeyStore(_key_file(root), master=master, role=role, disk=disk)
            elif any((root / "manifest").glob("*.json")):
                raise LakeIntegrityError(
                    f"{settings_file(root)} is missing, and there are calls",
                    hint="restore it from a backup: a new lake here would replace their keys",
                )
            else:
                settings = Settings.fresh(at=clock.now())
                KeyStore.create(
                    _key_file(root),
                    lake_id=settings.id,
                    master=master,
                    disk=disk,
                    shared=hashed_like.keys.hash_secrets() if hashed_like else None,
                )
            timed = settings.timed(visibility_delay=visibility_delay, retention=retention)
            if not held or timed != settings:
                timed.write(root, disk)
        return cls.open(root, master=master, role=role, clock=clock, disk=disk)

    @classmethod
    def open(
        cls,
        root: Path,
        *,
        master: MasterKey,
        role: Role = Role.STANDARD,
        clock: Clock | None = None,
        disk: Disk | None = None,
    ) -> Self:
        """Raises LakeError when there is no lake in `root`, LakeKeyError on a wrong master key.

        Raises LakeIntegrityError when the end of the file manifest is lost.
        """
        disk = disk or Disk()
        settings = read_settings(root)
        keys = KeyStore(_key_file(root), master=master, role=role, disk=disk)
        lake = cls(root, settings=settings, keys=keys, clock=clock or SystemClock(), disk=disk)
        lake.manifest.check_end(at_least=keys.commits)
        return lake

    @property
    def lock_path(self) -> Path:
        return self.root / "lock"

    @contextmanager
    def writing(self) -> Iterator[Head]:
        """Keep other writers out; gives the newest state, and the keys are as they are now."""
        with self.disk.lock(self.lock_path):
            self.keys.ensure_secrets()
            head = self.manifest.head()
            self.keys.note_commits(head.number)
            yield head

    @property
    def retention(self) -> Retention:
        """How long this lake keeps what it holds, as it is set now."""
        return read_settings(self.root).retention

    @cached_property
    def hash_keys(self) -> HashKeys:
        """What hashes of subjects and contents are keyed with in this lake."""
        return HashKeys(
            subject=self.keys.secret(LakeSecret.SUBJECT),
            content=self.keys.secret(LakeSecret.CONTENT),
        )

    def snapshot(self, *, through: int | None = None) -> Snapshot:
        """The calls up to ingest sequence `through`, or up to the watermark.

        Raises LakeError when `through` lies past the watermark.
        """
        head = self.manifest.head()
        visible = self._visible_seq(head)
        if through is not None and through > visible:
            raise LakeError(
                f"cannot cut lake {self.root} at {through}: it is complete through {visible}",
                hint="wait for the visibility delay to pass, or take an earlier cut",
            )
        cut = visible if through is None else through
        within = sorted(
            (file for file in head.files if file.seq_min <= cut),
            key=lambda file: (file.dt, file.path),
        )
        return Snapshot(
            lake_id=self.lake_id,
            cut=cut,
            files=tuple(file for file in within if file.table == CALLS),
            feedback_files=tuple(file for file in within if file.table == FEEDBACK),
            reader=self.reader,
            audit=self.audit,
            role=self.keys.role,
        )

    def status(self) -> LakeStatus:
        """Counts, sizes and the watermark, from the file manifest alone."""
        head = self.manifest.head()
        return LakeStatus(
            lake_id=self.lake_id,
            calls=sum(file.rows for file in head.calls),
            feedback=sum(file.rows for file in head.feedback),
            files=len(head.files),
            bytes=sum(file.bytes for file in head.files),
            partitions=tuple(partition_status(head.calls)),
            last_seq=head.last_seq,
            visible_seq=self._visible_seq(head),
            complete_through=self._now(head) - self.visibility_delay,
            visibility_delay=self.visibility_delay,
            master_key_id=self.keys.master_id,
            key_ids=self.keys.key_ids(),
        )

    def verify(self, *, strays: bool = True) -> list[str]:
        """Compare every file with the manifest, byte for byte; each finding names a file.

        `strays`: name leftovers of crashed writes too. While others write, merge or erase, what
        they are at may be found: hold `writing` to be sure.
        """
        if broken := self.manifest.findings():
            return broken
        files = self.manifest.head().files
        left = (
            f"{path} is not in the manifest"
            for path in sorted(self.stray_files(files) if strays else ())
            if not is_temporary(self.root / path)
        )
        found = (self._finding(file) for file in files)
        return [*filter(None, found), *left, *self.audit.findings()]

    def stray_files(self, files: Collection[LakeFile]) -> set[str]:
        """Files of tables that no commit names: what a crashed or running write left."""
        known = {file.path for file in files}
        return {
            path.relative_to(self.root).as_posix()
            for folder in FOLDERS
            for path in (self.root / folder).rglob("*")
            if path.is_file()
        } - known

    @contextmanager
    def undone_unless_committed(self, head: Head, files: list[LakeFile]) -> Iterator[None]:
        """Remove the new `files` when the block fails before its commit is there.

        A commit that failed half-way may be there all the same, so the manifest is asked.
        """
        try:
            yield
        except Exception:
            if self.manifest.head().number == head.number:
                for file in files:
                    self.disk.discard(self.root / file.path)
            raise

    def data_keys(self, file: LakeFile) -> DataKeys:
        """The unwrapped keys of one file, as far as the role opens them; recorded like text."""
        with self.audit.opening(purpose="data keys", query={"file": file.path}) as opened:
            opened.rows = file.rows
            return self.encryption.data_keys(str(self.root / file.path), TABLES[file.table])

    def rotate_master(self, master: MasterKey) -> None:
        """Put every key under `master`, at once. No Parquet file changes. Needs the admin role."""
        with self.disk.lock(self.lock_path):
            self.keys.rotate(master)

    def _visible_seq(self, head: Head) -> int:
        if not self.visibility_delay:
            return head.last_seq
        return self.manifest.last_seq_at(self._now(head) - self.visibility_delay)

    def _now(self, head: Head) -> datetime:
        """Not before the newest commit: what was visible stays so when the clock is set back."""
        now = self.clock.now()
        return max(now, head.at) if head.at else now

    def _finding(self, file: LakeFile) -> str | None:
        path = self.root / file.path
        try:
            size = path.stat().st_size
            if size != file.bytes:
                return f"{file.path} has {size} bytes, the manifest says {file.bytes}"
            if file_digest(path) != file.sha256:
                return f"{file.path} was changed or swapped: its digest is not the manifest's"
            self.keys.partition_id(file.partition)
        except FileNotFoundError:
            return f"{file.path} is missing"
        except (OSError, LakeError) as error:
            return f"{file.path} cannot be checked: {error}"
        return None


def master_key_of(root: Path) -> str:
    """Id of the master key that the lake in `root` is under. Raises LakeError."""
    return sealed_by(_key_file(root))


def _key_file(root: Path) -> Path:
    return root / "keys" / "store.json"
