"""Numbers whose fate the disk would not take: kept in memory until it does, as runs.

Not safe for threads by itself.
"""

from __future__ import annotations

from collections.abc import Callable

import orjson

from loopwright.lake.capture.accounts import Account, Accounts
from loopwright.lake.capture.frames import Kind
from loopwright.lake.capture.ranges import NONE, Ranges


def settled(endpoint: str, reason: str, numbers: Ranges) -> bytes:
    """What an EXCLUDED or LOST frame says."""
    return orjson.dumps((endpoint, reason, numbers.runs))


class Debts:
    """What is still to be written down: by frame kind, endpoint and reason."""

    def __init__(self) -> None:
        self._owed: dict[tuple[Kind, str, str], Ranges] = {}

    def __bool__(self) -> bool:
        return bool(self._owed)

    def add(self, kind: Kind, endpoint: str, reason: str, seq: int) -> None:
        key = kind, endpoint, reason
        self._owed[key] = self._owed.get(key, NONE) | Ranges(((seq, seq),))

    def accounts(self) -> Accounts:
        """What is owed, by endpoint."""
        found: Accounts = {}
        for (kind, endpoint, reason), numbers in self._owed.items():
            account = found.setdefault(endpoint, Account())
            (account.lost if kind is Kind.LOST else account.excluded)[reason] = numbers
        return found

    def pay(self, write: Callable[[Kind, bytes], None]) -> None:
        """Write as much as can be; what `write` refuses with OSError stays owed."""
        for key, numbers in list(self._owed.items()):
            kind, endpoint, reason = key
            try:
                write(kind, settled(endpoint, reason, numbers))
            except OSError:
                return
            del self._owed[key]
