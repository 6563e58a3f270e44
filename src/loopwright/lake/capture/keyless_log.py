"""The log of a gateway whose lake cannot be opened: it has no key to seal a call with.

Calls are numbered all the same, in the gateway's lock file, so that the ledger lists every one of
them as lost once the lake is there again.
"""

from __future__ import annotations

import os
import secrets
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Never, Self

import orjson

from loopwright.errors import CaptureError
from loopwright.lake.capture.accounts import Account, Accounts
from loopwright.lake.capture.call_log import CallLog, LogStats
from loopwright.lake.capture.log_file import refused
from loopwright.lake.capture.ranges import Ranges
from loopwright.lake.capture.records import CapturedCall, Lost, Ticket
from loopwright.lake.capture.spool import new_keyless_gateway, note_numbers
from loopwright.lake.exchange import HashKeys


class KeylessLog(CallLog):
    """Takes no call, and counts those that it was offered."""

    def __init__(self, *, gateway_id: str, lock: int) -> None:
        self.gateway_id = gateway_id
        self.hash_keys = HashKeys(
            subject=secrets.token_bytes(32), content=secrets.token_bytes(32)
        )  # for what is never kept
        self._held: int | None = lock
        self._seqs: dict[str, int] = {}
        self._lost: Counter[str] = Counter()

    @classmethod
    def without_key(cls, folder: Path, *, gateway_id: str) -> Self:
        """Begin one in `folder`, the spool of the lake. Raises CaptureError."""
        try:
            while (lock := new_keyless_gateway(folder, gateway_id)) is None:
                gateway_id = f"{gateway_id}-{secrets.token_hex(3)}"
        except OSError as error:
            raise refused(error, f"open the log in {folder}") from error
        return cls(gateway_id=gateway_id, lock=lock)

    def accept(self, endpoint: str, *, call_id: str, ts: int, or_refuse: bool = False) -> Ticket:
        """Number the call, unless it is refused, and raise CaptureError: it is lost to the lake."""
        del call_id, ts
        if or_refuse:
            _raise()
        self._seqs[endpoint] = self._seqs.get(endpoint, 0) + 1
        self._lost[Lost.LAKE.value] += 1
        if self._held is not None:
            note_numbers(self._held, orjson.dumps(self._seqs))
        _raise()

    def record(self, call: CapturedCall) -> None:
        """Raises CaptureError."""
        del call
        _raise()

    def feedback(self, entry: Mapping[str, Any]) -> None:
        """Raises CaptureError."""
        del entry
        _raise()

    def commit(self) -> Future[None]:
        """Done: there is nothing to wait for."""
        done: Future[None] = Future()
        done.set_result(None)
        return done

    def rotate(self) -> None:
        """Nothing: there is no segment."""

    def stats(self) -> LogStats:
        return LogStats(
            queue_depth=0,
            oldest_unflushed_seconds=0.0,
            bytes=0,
            spooled_bytes=0,
            delivered=0,
            lost=dict(self._lost),
        )

    def unwritten(self) -> Accounts:
        """All of it: the ledger hears of it when the lake can be opened."""
        return {
            endpoint: Account(lost={Lost.LAKE.value: Ranges(((1, last),))})
            for endpoint, last in self._seqs.items()
        }

    def close(self) -> None:
        """Let the recorder tell the ledger, when it can."""
        if self._held is not None:
            held, self._held = self._held, None
            os.close(held)


def _raise() -> Never:
    raise CaptureError(
        "the lake cannot be opened, so there is no key to seal calls with",
        reason=Lost.LAKE,
        hint="look at `loopwright serve --status`",
    )
