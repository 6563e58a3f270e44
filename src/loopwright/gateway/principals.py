"""Who is calling: API keys, of which only salted digests are known."""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Iterable

from loopwright.gateway import refusals
from loopwright.gateway.settings import INTERNAL_KEY, Internal, Principal, Role

ANYBODY = Principal("anybody", Role.ADMIN)
"""Without principals whoever can reach the loopback address may call."""

_SCHEME = "bearer "
_INTERNAL = f"Bearer {INTERNAL_KEY}"
_MOST_REMEMBERED = 4096


def key_hash(key: str, *, salt: bytes) -> str:
    """What is kept of an API key: `sha256:SALT:DIGEST`, both in hex."""
    return f"sha256:{salt.hex()}:{hashlib.sha256(salt + key.encode()).hexdigest()}"


def accepts(kept: str, key: str) -> bool:
    """Whether `kept` was made of `key`. Takes as long for a wrong key as for the right one."""
    try:
        salt = bytes.fromhex(kept.split(":")[1])
    except (IndexError, ValueError):
        return False
    return hmac.compare_digest(kept.encode(), key_hash(key, salt=salt).encode())


class Principals:
    """The declared callers. Keys that were found right are remembered by a digest."""

    def __init__(self, declared: Iterable[Principal], internals: Iterable[Internal] = ()) -> None:
        self._declared, self._internals = tuple(declared), tuple(internals)
        self._known: dict[bytes, Principal] = {}
        self._salt = os.urandom(16)

    def __bool__(self) -> bool:
        return bool(self._declared)

    def caller(self, authorization: str | None) -> Principal | Internal:
        """Who sends this `Authorization` header. Raises RefusalError 401."""
        if authorization is not None and authorization.startswith(_INTERNAL):
            return self._internal(authorization[len(_SCHEME) :].strip().encode())
        if not self._declared:
            return ANYBODY
        if authorization is None or authorization[: len(_SCHEME)].lower() != _SCHEME:
            raise refusals.missing_key()
        key = authorization[len(_SCHEME) :].strip()
        mark = hashlib.sha256(self._salt + key.encode(errors="replace")).digest()
        known = self._known.get(mark)
        return known if known is not None else self._recognised(key, mark)

    def _internal(self, key: bytes) -> Internal:
        """A wrong key is refused even where anybody may call: it is of a daemon that is gone, and
        its call must not be recorded as somebody's."""
        for one in self._internals:
            if hmac.compare_digest(one.key.encode(), key):
                return one
        raise refusals.wrong_key()

    def _recognised(self, key: str, mark: bytes) -> Principal:
        found = [
            principal
            for principal in self._declared
            if sum([accepts(kept, key) for kept in principal.key_hashes])
        ]
        if not found:
            raise refusals.wrong_key()
        if len(self._known) >= _MOST_REMEMBERED:
            self._known.clear()
        self._known[mark] = found[0]
        return found[0]
