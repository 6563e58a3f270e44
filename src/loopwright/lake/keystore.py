"""The store of a lake's keys, all of them sealed by the master key and bound to their names.

Every partition has two random keys, one for metadata and one for text; the lake has some of its
own for keyed hashes, seals and the log. All lie in one file, so rotating the master key is one
atomic write, and destroying a partition's keys closes every copy of its files.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

import orjson
from pydantic import TypeAdapter, ValidationError

from loopwright.disk import Disk
from loopwright.errors import LakeError, LakeIntegrityError, LakeKeyError
from loopwright.lake.keys import KEY_BYTES, MasterKey, Role, text_refused

_PRIVATE = 0o600


class KeyKind(StrEnum):
    """The two keys of a partition."""

    METADATA = "metadata"
    TEXT = "text"


class LakeSecret(StrEnum):
    """The keys of a lake as a whole: for keyed hashes, seals, and calls on their way into it."""

    SUBJECT = "subject"
    CONTENT = "content"
    MANIFEST = "manifest"
    LEDGER = "ledger"
    LOG = "log"
    """Seals what gateways capture, text too: not for readers."""


@dataclass(frozen=True, slots=True)
class SealedPartition:
    """One partition's two keys as they lie in the store, each sealed by the master key."""

    partition: str
    metadata: str
    text: str


@dataclass(frozen=True, slots=True)
class KeyFile:
    """The key store as it is written: everything in it is sealed or public."""

    lake: str
    master: str
    secrets: dict[LakeSecret, str]
    partitions: dict[str, SealedPartition]
    commits: int = 0
    """Commits that the file manifest had when this was written, at least."""


_KEY_FILE = TypeAdapter(KeyFile)


class KeyStore:
    """The keys of one lake, opened with a master key in a role.

    Writers call `ensure` under the lake's lock; everyone else only reads.
    """

    def __init__(self, path: Path, *, master: MasterKey, role: Role, disk: Disk) -> None:
        self.path = path
        self.role = role
        self._master = master
        self._disk = disk
        self._opened: dict[tuple[str, KeyKind], bytes] = {}
        self._commits = 0
        self._use(self._read())

    @classmethod
    def create(
        cls,
        path: Path,
        *,
        lake_id: str,
        master: MasterKey,
        disk: Disk,
        shared: Mapping[LakeSecret, bytes] | None = None,
    ) -> None:
        """Write a store with no partitions and fresh lake secrets, but for the `shared` ones."""
        master = master.successor or master  # a lake that is made last is under what stays
        made = {kind: secrets.token_bytes(KEY_BYTES) for kind in LakeSecret} | dict(shared or {})
        sealed = {
            kind: master.seal(secret, name=f"{lake_id}/{kind}") for kind, secret in made.items()
        }
        _write(path, KeyFile(lake_id, master.id, sealed, {}), disk)

    @property
    def master_id(self) -> str:
        return self._master.id

    @property
    def master(self) -> MasterKey:
        """What it is open with; for a child process that is to read the same lake."""
        return self._master

    def secret(self, kind: LakeSecret) -> bytes:
        """A key of the lake as a whole.

        Raises LakeKeyError when the role may not, or an older store lacks it (`ensure_secrets`).
        """
        if kind is LakeSecret.LOG and not self.role.opens_text:
            raise text_refused(self.role)
        if kind not in self._file.secrets:
            self.refresh()
        if kind not in self._file.secrets:
            raise LakeKeyError(f"{self.path} has no key {kind}: an older version made it")
        return self._master.open(self._file.secrets[kind], name=f"{self._file.lake}/{kind}")

    def hash_secrets(self) -> dict[LakeSecret, bytes]:
        """What hashes of subjects and contents are keyed with; for a lake that shares them."""
        return {kind: self.secret(kind) for kind in (LakeSecret.SUBJECT, LakeSecret.CONTENT)}

    def key_ids(self) -> dict[str, str]:
        """Partition -> id of its keys, sorted by partition."""
        self._use(self._read())
        return dict(sorted(self._ids.items()))

    def partition_id(self, partition: str) -> str:
        """Raises LakeKeyError when the partition has no keys (never written, or destroyed)."""
        if partition not in self._ids:
            self._use(self._read())  # another process may have made them since
        if partition not in self._ids:
            raise LakeKeyError(f"partition {partition} has no keys in {self.path}")
        return self._ids[partition]

    def key(self, key_id: str, kind: KeyKind) -> bytes:
        """Unwrap one key. Raises LakeKeyError when the role may not, or the key is gone."""
        if kind is KeyKind.TEXT and not self.role.opens_text:
            raise text_refused(self.role)
        if (key_id, kind) not in self._opened:
            self._opened[key_id, kind] = self._unwrap(key_id, kind)
        return self._opened[key_id, kind]

    @property
    def commits(self) -> int:
        """How many commits the file manifest has at least: that many were there before."""
        return self._file.commits

    def note_commits(self, number: int) -> None:
        """Write down with the next change of the keys that the manifest has so many commits."""
        self._commits = number

    def refresh(self) -> None:
        """Take the keys as they are now. Raises LakeKeyError when the master key is another."""
        self._use(self._read())

    def ensure(self, partitions: set[str]) -> None:
        """Give keys to the partitions that have none yet, in one durable write."""
        self.refresh()
        if not (fresh := sorted(partitions.difference(self._ids))):
            return
        self._grow(fresh)

    def renew(self, partitions: set[str]) -> None:
        """Give the partitions new keys to write under; the old ones stay until `destroy`."""
        self.ensure_secrets()  # the ledger is told of what goes, and the lake may be an older one
        if partitions:
            self._grow(sorted(partitions))

    def ids_of_partitions(self) -> dict[str, list[str]]:
        """Partition -> the ids of all its keys, the newest last."""
        found: dict[str, list[str]] = {}
        for id_, sealed in self._file.partitions.items():
            found.setdefault(sealed.partition, []).append(id_)
        return found

    def destroy(self, ids: Collection[str]) -> None:
        """Forget these partition keys in one durable write: what is under them stays closed.

        Raises LakeKeyError for a role that may not write.
        """
        if not self.role.opens_text:
            raise LakeKeyError(f"role {self.role} may not destroy keys")
        self.refresh()
        if gone := self._file.partitions.keys() & set(ids):
            kept = {id_: one for id_, one in self._file.partitions.items() if id_ not in gone}
            self._replace(replace(self._file, partitions=kept))

    def ensure_secrets(self) -> None:
        """Give a store that an older version made the lake secrets it lacks. Under the lock."""
        self.refresh()
        if missing := [kind for kind in LakeSecret if kind not in self._file.secrets]:
            made = {kind: self._fresh_secret(kind) for kind in missing}
            self._replace(replace(self._file, secrets={**self._file.secrets, **made}))

    def rotate(self, master: MasterKey) -> None:
        """Seal every key under `master` instead, in one durable write. Parquet stays as it is."""
        if self.role is not Role.ADMIN:
            raise LakeKeyError(
                f"role {self.role} may not rotate the master key", hint="open the lake as admin"
            )
        self._use(self._read())
        lake = self._file.lake
        resealed = {
            kind: master.seal(self.secret(kind), name=f"{lake}/{kind}")
            for kind in self._file.secrets
        }
        partitions = {
            id_: SealedPartition(
                sealed.partition,
                **{
                    kind.value: master.seal(
                        self._unwrap(id_, kind), name=_name(lake, id_, sealed.partition, kind)
                    )
                    for kind in KeyKind
                },
            )
            for id_, sealed in self._file.partitions.items()
        }
        rotated = replace(self._file, master=master.id, secrets=resealed, partitions=partitions)
        _write(self.path, rotated, self._disk)
        self._master = master
        self._use(rotated)

    def _grow(self, partitions: Iterable[str]) -> None:
        made = dict(self._fresh(partition) for partition in partitions)
        self._replace(replace(self._file, partitions={**self._file.partitions, **made}))

    def _replace(self, file: KeyFile) -> None:
        file = replace(file, commits=max(file.commits, self._commits))
        _write(self.path, file, self._disk)
        self._use(file)

    def _use(self, file: KeyFile) -> None:
        if self._master.successor and file.master == self._master.successor.id:
            self._master = self._master.successor
        self._file = file
        self._ids = {sealed.partition: id_ for id_, sealed in file.partitions.items()}
        self._opened = {key: one for key, one in self._opened.items() if key[0] in file.partitions}

    def _fresh_secret(self, kind: LakeSecret) -> str:
        secret = secrets.token_bytes(KEY_BYTES)
        return self._master.seal(secret, name=f"{self._file.lake}/{kind}")

    def _fresh(self, partition: str) -> tuple[str, SealedPartition]:
        id_ = secrets.token_hex(8)
        sealed = {
            kind.value: self._master.seal(
                secrets.token_bytes(KEY_BYTES),
                name=_name(self._file.lake, id_, partition, kind),
            )
            for kind in KeyKind
        }
        return id_, SealedPartition(partition, **sealed)

    def _unwrap(self, key_id: str, kind: KeyKind) -> bytes:
        if key_id not in self._file.partitions:
            self._use(self._read())
        sealed = self._file.partitions.get(key_id)
        if sealed is None:
            raise LakeKeyError(
                f"key {key_id} is not in {self.path}: it was destroyed, or the file is not ours"
            )
        wrapped = sealed.metadata if kind is KeyKind.METADATA else sealed.text
        name = _name(self._file.lake, key_id, sealed.partition, kind)
        return self._master.open(wrapped, name=name)

    def _read(self) -> KeyFile:
        found = _read(self.path)
        successor = self._master.successor
        if found.master not in (self._master.id, successor.id if successor else None):
            raise LakeKeyError(
                f"wrong master key: {self.path} is sealed by key {found.master}, "
                f"this is key {self._master.id}",
                hint="give the master key that the lake was made with or last rotated to",
            )
        return found


def sealed_by(path: Path) -> str:
    """Id of the master key that a store is under. Raises LakeError when it cannot be read."""
    return _read(path).master


def _read(path: Path) -> KeyFile:
    try:
        return _KEY_FILE.validate_json(path.read_bytes())
    except FileNotFoundError as error:
        raise LakeIntegrityError(f"the key store {path} is missing") from error
    except OSError as error:
        raise LakeError(f"cannot read the key store {path}: {error}") from error
    except ValidationError as error:
        raise LakeIntegrityError(f"the key store {path} is damaged") from error


def _name(lake: str, key_id: str, partition: str, kind: KeyKind) -> str:
    return f"{lake}/{key_id}/{partition}/{kind}"


def _write(path: Path, content: KeyFile, disk: Disk) -> None:
    data = orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS)
    disk.write_atomic(path, data, mode=_PRIVATE)
