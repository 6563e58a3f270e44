"""Whether a daemon lives, and where it is reached. The lock tells the first, a file the second.

The kernel keeps the lock, so that a kill leaves no doubt; the file is readable by its owner only,
since it holds the token that commands are told by.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

import orjson

from loopwright.disk import Disk
from loopwright.locks import hold, is_held

_PRIVATE = 0o600


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a serving daemon tells of itself."""

    pid: int
    started_at: str
    version: str
    port: int
    """Of the loopback socket that it is told things by."""
    token: str = field(repr=False)
    gateway: str
    """Base address of the gateway, e.g. `http://127.0.0.1:8080`."""
    certificate: str = ""
    """The file of the gateway's TLS certificate, if it has one."""
    detached: bool
    """Started by an apply, which may then stop it too; not by a person in a terminal."""


@dataclass(frozen=True, slots=True)
class Presence:
    """The lock and the facts in one folder."""

    folder: Path

    def hold(self) -> int | None:
        """The lock, until this process and its forks end; None while another daemon lives."""
        Disk().make_folders(self.folder)
        descriptor = hold(self.folder / "lock")
        if descriptor is not None:
            self._forget("failure.json")
            self._forget("daemon.json")
        return descriptor

    @property
    def is_alive(self) -> bool:
        """Whether a daemon holds the lock now, serving or about to."""
        return is_held(self.folder / "lock")

    def facts(self) -> Facts | None:
        """Of the living daemon; None while there is none, or it does not serve yet or any more."""
        if not self.is_alive:
            return None
        try:
            return Facts(**orjson.loads((self.folder / "daemon.json").read_bytes()))
        except (FileNotFoundError, ValueError, TypeError):
            return None

    def tell(self, facts: Facts) -> None:
        """Say that it serves."""
        self._write("daemon.json", asdict(facts))

    def leave(self) -> None:
        """Say that this process serves no more; the lock goes with it."""
        if self.is_ours:
            self._forget("daemon.json")

    @property
    def is_ours(self) -> bool:
        """Whether it is this process that is told of: not when somebody removed the folder."""
        facts = self.facts()
        return facts is not None and facts.pid == os.getpid()

    def failure(self) -> tuple[str, str] | None:
        """Message and hint of a daemon that could not start; until the next one tries."""
        try:
            found = orjson.loads((self.folder / "failure.json").read_bytes())
            return found["message"], found["hint"]
        except (FileNotFoundError, ValueError, TypeError, KeyError):
            return None

    def tell_failure(self, message: str, hint: str | None) -> None:
        self._write("failure.json", {"message": message, "hint": hint or ""})

    def _write(self, name: str, data: dict[str, object]) -> None:
        Disk().write_atomic(self.folder / name, orjson.dumps(data), mode=_PRIVATE)

    def _forget(self, name: str) -> None:
        with suppress(FileNotFoundError):
            (self.folder / name).unlink()
