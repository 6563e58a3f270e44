"""Who may call and do what: the declared principals with digests of their keys, never the keys.

Digests of keys that come from the environment are kept beside the state, so that a daemon which
is started without those variables still knows everybody. A file of keys is read again each time
and may hold several, a line each: an old and a new one, while a key is rotated.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import orjson

from loopwright.disk import Disk
from loopwright.errors import LoopwrightError
from loopwright.gateway.principals import accepts, key_hash
from loopwright.gateway.settings import Principal, Role
from loopwright.manifests import project

Resolve = Callable[[Mapping[str, str]], str]
"""The text that a reference leads to. Raises LoopwrightError."""
_PRIVATE = 0o600
_SALT_BYTES = 16


class KeyDigests:
    """`principals.json` in a daemon's folder: by name, a reference and the digests of its keys."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "principals.json"
        self._before = self._read()
        self._now: dict[str, Any] = {}

    def principals(
        self, declared: Iterable[project.Principal], resolve: Resolve
    ) -> tuple[tuple[Principal, ...], dict[str, str]]:
        """The principals with the digests of every key that is theirs now, and what is wrong.

        One whose key is nowhere to be found stays declared and cannot call.
        """
        found, problems = [], dict[str, str]()
        for one in declared:
            try:
                hashes = self._of(one, resolve)
            except LoopwrightError as error:
                hashes = ()
                problems[f"principal {one.name}"] = error.message
            found.append(Principal(one.name, Role(one.role), hashes))
        return tuple(found), problems

    def save(self) -> None:
        """Write down what was found, readable by its owner only; nothing when it is there."""
        if self._now != self._before:
            disk = Disk()
            disk.make_folders(self._path.parent)
            disk.write_atomic(self._path, orjson.dumps(self._now), mode=_PRIVATE)
            self._before = dict(self._now)

    def _of(self, one: project.Principal, resolve: Resolve) -> tuple[str, ...]:
        reference = one.key.model_dump(exclude_none=True)
        entry = self._before.get(one.name, {})
        known = tuple(entry["hashes"]) if entry.get("key") == reference else ()
        try:
            keys = _lines(resolve(reference))
        except LoopwrightError:
            if not one.key.env or not known:
                raise
            hashes = known
        else:
            hashes = known if _made_of(known, keys) else _hashes(keys)
        self._now[one.name] = {"key": reference, "hashes": list(hashes)}
        return hashes

    def _read(self) -> dict[str, Any]:
        try:
            found: dict[str, Any] = orjson.loads(self._path.read_bytes())
        except (FileNotFoundError, orjson.JSONDecodeError):
            return {}  # digests can be made again, by whoever has the keys
        return found


def bearer(principals: Iterable[Principal], key: str) -> Principal | None:
    """Whose key it is."""
    return next(
        (one for one in principals if any(accepts(kept, key) for kept in one.key_hashes)), None
    )


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _made_of(hashes: tuple[str, ...], keys: list[str]) -> bool:
    return len(hashes) == len(keys) and all(map(accepts, hashes, keys))


def _hashes(keys: list[str]) -> tuple[str, ...]:
    salt = os.urandom(_SALT_BYTES)
    return tuple(key_hash(key, salt=salt) for key in keys)
