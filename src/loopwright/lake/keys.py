"""The keys themselves: the master key, the roles, and sealing one key under another.

A role is a set of keys: what a role may not open is never unwrapped for it. Where a lake's keys
lie is in `keystore`; Parquet is in `encryption`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import secrets
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from loopwright.disk import Disk
from loopwright.errors import LakeKeyError

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


@dataclass(frozen=True, slots=True)
class MasterKey:
    """32 secret bytes that wrap every other key of a lake. Never printed."""

    secret: bytes = field(repr=False)
    successor: MasterKey | None = field(default=None, repr=False)
    """While a key is renewed: what it is replaced by. Each lake is under one of the two."""

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
        """64 hexadecimal digits or base64; on a second line its successor, if it has one.

        Raises LakeKeyError that names `source`.
        """
        first, _, second = text.strip().partition("\n")
        if second:
            return cls.from_text(first, source=source).before(cls.from_text(second, source=source))
        stripped = first.strip()
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

    def before(self, successor: MasterKey) -> MasterKey:
        """This key on its way to be replaced."""
        return MasterKey(self.secret, successor)

    def write(self, path: Path, *, disk: Disk | None = None) -> None:
        """Put the key into a file in place of what is there, its successor too. Durable."""
        keys = (self, self.successor) if self.successor else (self,)
        lines = "".join(f"{key.secret.hex()}\n" for key in keys)
        (disk or Disk()).write_atomic(path, lines.encode(), mode=_PRIVATE)

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


def text_refused(role: Role) -> LakeKeyError:
    """What a role that may not open text is told."""
    return LakeKeyError(
        f"role {role} may not open request and response text",
        hint=f"open the lake with role {Role.STANDARD} or {Role.ADMIN}",
    )
