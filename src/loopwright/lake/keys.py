"""Who may open what: the master key, the roles, and the store of keys under the master key.

Every partition has two random keys, one for metadata and one for text; the lake has three of its
own for keyed hashes and the file manifest. All lie in one file, each sealed by the master key and
bound to its name, so rotating the master key rewrites that one file at once. No Parquet here.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import secrets
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from pathlib import Path

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import TypeAdapter, ValidationError

from loopwright.errors import LakeError, LakeIntegrityError, LakeKeyError
from loopwright.lake.disk import Disk

KEY_BYTES = 32
_NONCE_BYTES = 12
_PRIVATE = 0o600


class Role(StrEnum):
    """What a holder may open. Roles are keys: what a role may not open, it never unwraps."""

    READER = "reader"
    STANDARD = "standard"
    ADMIN = "admin"

    @property
    def opens_text(self) -> bool:
        return self is not Role.READER


class KeyKind(StrEnum):
    """The two keys of a partition."""

    METADATA = "metadata"
    TEXT = "text"


class LakeSecret(StrEnum):
    """The keys of a lake as a whole: for keyed hashes, and for the seal of its file manifest."""

    SUBJECT = "subject"
    CONTENT = "content"
    MANIFEST = "manifest"


@dataclass(frozen=True, slots=True)
class MasterKey:
    """32 secret bytes that wrap every other key of a lake. Never printed."""

    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.secret) != KEY_BYTES:
            raise LakeKeyError(
                f"a master key has {KEY_BYTES} bytes, this one has {len(self.secret)}",
                hint="give 64 hexadecimal digits or the base64 of 32 bytes",
            )

    @property
    def id(self) -> str:
        """A short fingerprint that tells keys apart and gives nothing away."""
        return hashlib.sha256(b"loopwright master key\0" + self.secret).hexdigest()[:16]

    @classmethod
    def generate(cls) -> MasterKey:
        return cls(secrets.token_bytes(KEY_BYTES))

    @classmethod
    def from_text(cls, text: str, *, source: str) -> MasterKey:
        """64 hexadecimal digits or base64. Raises LakeKeyError that names `source`."""
        stripped = text.strip()
        decoders = (bytes.fromhex, lambda value: base64.b64decode(value, validate=True))
        for decode in decoders:
            try:
                secret = decode(stripped)
            except (ValueError, binascii.Error):
                continue
            if len(secret) == KEY_BYTES:
                return cls(secret)
        raise LakeKeyError(
            f"{source} does not hold a master key of {KEY_BYTES} bytes",
            hint="give 64 hexadecimal digits or the base64 of 32 bytes",
        )

    @classmethod
    def from_env(cls, name: str) -> MasterKey:
        """Raises LakeKeyError when the variable is unset or holds no key."""
        value = os.environ.get(name)
        if not value:
            raise LakeKeyError(
                f"environment variable {name} is not set", hint="set it to the lake's master key"
            )
        return cls.from_text(value, source=f"environment variable {name}")

    @classmethod
    def from_file(cls, path: Path, *, create: bool = True, disk: Disk | None = None) -> MasterKey:
        """The key in `path`; made there on first use, readable by its owner only.

        Of several processes that make it at once, one wins and all use its key.
        """
        if create and not path.exists():
            disk = disk or Disk()
            disk.make_folders(path.parent)
            made = cls.generate()
            if disk.create_exclusive(path, made.secret.hex().encode() + b"\n", mode=_PRIVATE):
                return made
        try:
            text = path.read_text(encoding="ascii")
        except (OSError, UnicodeDecodeError) as error:
            raise LakeKeyError(f"cannot read the master key in {path}: {error}") from error
        return cls.from_text(text, source=str(path))

    def seal(self, secret: bytes, *, name: str) -> str:
        return seal(self.secret, secret, name=name)

    def open(self, sealed: str, *, name: str) -> bytes:
        """Raises LakeKeyError when `sealed` was not sealed by this key under this name."""
        return unseal(self.secret, sealed, name=name)


def seal(key: bytes, secret: bytes, *, name: str) -> str:
    """Base64 of nonce and AES-256-GCM of `secret`, bound to `name`."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return base64.b64encode(nonce + AESGCM(key).encrypt(nonce, secret, name.encode())).decode()


def unseal(key: bytes, sealed: str, *, name: str) -> bytes:
    """Undo `seal`. Raises LakeKeyError on another key, another name or changed bytes."""
    try:
        raw = base64.b64decode(sealed, validate=True)
        return AESGCM(key).decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], name.encode())
    except (InvalidTag, ValueError) as error:
        raise LakeKeyError(
            f"the key {name} cannot be unwrapped: wrong key, or its bytes were changed"
        ) from error


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
        self._file = self._read()

    @classmethod
    def create(cls, path: Path, *, lake_id: str, master: MasterKey, disk: Disk) -> None:
        """Write a store with fresh lake secrets and no partitions."""
        sealed = {
            kind: master.seal(secrets.token_bytes(KEY_BYTES), name=f"{lake_id}/{kind}")
            for kind in LakeSecret
        }
        _write(path, KeyFile(lake_id, master.id, sealed, {}), disk)

    @property
    def master_id(self) -> str:
        return self._master.id

    @cached_property
    def manifest_secret(self) -> bytes:
        return self.secret(LakeSecret.MANIFEST)

    def secret(self, kind: LakeSecret) -> bytes:
        """A key of the lake as a whole."""
        return self._master.open(self._file.secrets[kind], name=f"{self._file.lake}/{kind}")

    def key_ids(self) -> dict[str, str]:
        """Partition -> id of its keys, sorted by partition."""
        return dict(sorted((sealed.partition, id_) for id_, sealed in self._items()))

    def partition_id(self, partition: str) -> str:
        """Raises LakeKeyError when the partition has no keys (never written, or destroyed)."""
        found = next((id_ for id_, sealed in self._items() if sealed.partition == partition), None)
        if found is None:
            raise LakeKeyError(f"partition {partition} has no keys in {self.path}")
        return found

    def key(self, key_id: str, kind: KeyKind) -> bytes:
        """Unwrap one key. Raises LakeKeyError when the role may not, or the key is gone."""
        if kind is KeyKind.TEXT and not self.role.opens_text:
            raise text_refused(self.role)
        if (key_id, kind) not in self._opened:
            self._opened[key_id, kind] = self._unwrap(key_id, kind)
        return self._opened[key_id, kind]

    def ensure(self, partitions: set[str]) -> None:
        """Give keys to the partitions that have none yet, in one durable write."""
        self._file = self._read()
        known = {sealed.partition for _, sealed in self._items()}
        if not (fresh := sorted(partitions - known)):
            return
        made = dict(self._fresh(partition) for partition in fresh)
        self._file = replace(self._file, partitions={**self._file.partitions, **made})
        _write(self.path, self._file, self._disk)

    def rotate(self, master: MasterKey) -> None:
        """Seal every key under `master` instead, in one durable write. Parquet stays as it is."""
        if self.role is not Role.ADMIN:
            raise LakeKeyError(
                f"role {self.role} may not rotate the master key", hint="open the lake as admin"
            )
        self._file = self._read()
        lake = self._file.lake
        resealed = {
            kind: master.seal(self.secret(kind), name=f"{lake}/{kind}") for kind in LakeSecret
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
            for id_, sealed in self._items()
        }
        _write(self.path, KeyFile(lake, master.id, resealed, partitions), self._disk)
        self._master = master
        self._file = self._read()

    def _items(self) -> list[tuple[str, SealedPartition]]:
        return list(self._file.partitions.items())

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
            self._file = self._read()
        sealed = self._file.partitions.get(key_id)
        if sealed is None:
            raise LakeKeyError(
                f"key {key_id} is not in {self.path}: it was destroyed, or the file is not ours"
            )
        wrapped = sealed.metadata if kind is KeyKind.METADATA else sealed.text
        name = _name(self._file.lake, key_id, sealed.partition, kind)
        return self._master.open(wrapped, name=name)

    def _read(self) -> KeyFile:
        try:
            found = _KEY_FILE.validate_json(self.path.read_bytes())
        except FileNotFoundError as error:
            raise LakeIntegrityError(f"the key store {self.path} is missing") from error
        except OSError as error:
            raise LakeError(f"cannot read the key store {self.path}: {error}") from error
        except ValidationError as error:
            raise LakeIntegrityError(f"the key store {self.path} is damaged") from error
        if found.master != self._master.id:
            raise LakeKeyError(
                f"wrong master key: {self.path} is sealed by key {found.master}, "
                f"this is key {self._master.id}",
                hint="give the master key that the lake was made with or last rotated to",
            )
        return found


def text_refused(role: Role) -> LakeKeyError:
    """What a role that may not open text is told."""
    return LakeKeyError(
        f"role {role} may not open request and response text",
        hint=f"open the lake with role {Role.STANDARD} or {Role.ADMIN}",
    )


def _name(lake: str, key_id: str, partition: str, kind: KeyKind) -> str:
    return f"{lake}/{key_id}/{partition}/{kind}"


def _write(path: Path, content: KeyFile, disk: Disk) -> None:
    data = orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS)
    disk.write_atomic(path, data, mode=_PRIVATE)
