"""Names of things: `Kind/name`, and references to them with an optional revision."""

from __future__ import annotations

from typing import NamedTuple


class Address(NamedTuple):
    """The identity of a resource across runs, written `Kind/name`."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"

    @classmethod
    def parse(cls, text: str) -> Address:
        """Raises ValueError when `text` is not `Kind/name`."""
        kind, slash, name = text.partition("/")
        if not slash or not kind or not name or "/" in name:
            raise ValueError(f"{text!r} is not an address; write Kind/name")
        return cls(kind, name)


class Pointer(NamedTuple):
    """A reference as written in a spec: an address, and the revision or alias after `@`."""

    address: Address
    revision: str = "latest"

    @classmethod
    def parse(cls, text: str) -> Pointer:
        """`Kind/name` or `Kind/name@revision`. Raises ValueError."""
        target, at, revision = text.partition("@")
        return cls(Address.parse(target), revision if at else "latest")
