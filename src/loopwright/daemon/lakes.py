"""The lakes that calls are delivered into, and this process's sealed log of each.

Every opening of a log is a gateway of its own to the ledger.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loopwright.daemon.declared import DaemonFolder, Declared
from loopwright.daemon.secrets import Secrets
from loopwright.errors import LoopwrightError
from loopwright.gateway.metrics import LakeFacts
from loopwright.lake.capture.call_log import CallLog
from loopwright.lake.capture.keyless_log import KeylessLog
from loopwright.lake.keys import MasterKey, Role
from loopwright.lake.store import Lake

_log = logging.getLogger("loopwright.daemon.lakes")
_LOOK_SECONDS = 10.0
_LAST_CALLS_SECONDS = 2.0


def open_lake(declared: Declared, project: Path, known: Secrets) -> Lake:
    """The lake, in the role that may write. Raises LakeError, or LoopwrightError without a key."""
    master, root = _master(declared, known), project / declared.spec["storage"]
    return Lake.open(root, master=master, role=Role.STANDARD)


@dataclass(frozen=True, slots=True)
class _Opened:
    declared: Declared
    lake: Lake
    log: CallLog


class Logs:
    """The logs that are open now. Calls in flight may still write to one that was retired."""

    def __init__(self, folder: DaemonFolder, project: Path, known: Secrets) -> None:
        self._folder, self._project, self._known = folder, project, known
        self._opened: dict[str, _Opened] = {}
        self._retired: list[tuple[str, CallLog]] = []
        """With the names of their lakes."""
        self._keyless: dict[str, KeylessLog] = {}
        """Of lakes that cannot be opened: they count what is lost."""
        self._rows: dict[str, int] = {}
        self._looked_at = -_LOOK_SECONDS

    @property
    def by_lake(self) -> Mapping[str, CallLog]:
        return {**self._keyless, **{name: one.log for name, one in self._opened.items()}}

    async def follow(self, lakes: Mapping[str, Declared]) -> dict[str, str]:
        """Have a log of each of these lakes, and tell what is wrong with those that cannot."""
        problems = {}
        for name, declared in lakes.items():
            held = self._opened.get(name)
            if held and held.declared == declared and not self._is_renewed(held):
                continue
            try:
                opened = await asyncio.to_thread(self._open, declared)
            except (LoopwrightError, OSError) as error:
                problems[f"Lake/{name}"] = str(error)
                _log.warning("a lake cannot be opened", extra={"lake": name, "why": str(error)})
                self._count_lost(name)
                continue
            self._retire(name)
            self._opened[name] = opened
        for name in (self._opened.keys() | self._keyless.keys()) - lakes.keys():
            self._retire(name)
        return problems

    async def hand_over(self) -> None:
        """Let the recorder have everything up to now. Raises CaptureError when a disk refuses."""
        for log in self._all():
            log.rotate()
            await asyncio.wrap_future(log.commit())

    async def look(self) -> None:
        """Count the calls in the lakes, now and then: that reads their manifests."""
        now = time.monotonic()
        if now - self._looked_at < _LOOK_SECONDS:
            return
        self._looked_at = now
        for name, one in list(self._opened.items()):
            with suppress(LoopwrightError, OSError):  # told where the lake is read for its own sake
                self._rows[name] = await asyncio.to_thread(_rows, one.lake)

    def facts(self) -> dict[str, LakeFacts]:
        """What metrics tell of each lake; as it was at the last look."""
        return {
            name: LakeFacts(self._rows[name], one.log.stats().oldest_unflushed_seconds)
            for name, one in self._opened.items()
            if name in self._rows
        }

    def status(self) -> dict[str, dict[str, Any]]:
        """Numbers of each open log."""
        return {
            name: {
                "gatewayId": one.log.gateway_id,
                "queueDepth": (told := one.log.stats()).queue_depth,
                "oldestUnflushedSeconds": told.oldest_unflushed_seconds,
                "bytes": told.bytes,
                "delivered": told.delivered,
                "excluded": dict(told.excluded),
                "lost": dict(told.lost),
            }
            for name, one in self._opened.items()
        }

    def unwritten(self) -> dict[str, dict[str, dict[str, Any]]]:
        """What became of calls and is in no log yet: by lake, gateway and endpoint."""
        found: dict[str, dict[str, dict[str, Any]]] = {}
        for name, log in (*self.by_lake.items(), *self._retired):
            for endpoint, account in log.unwritten().items():
                held = found.setdefault(name, {}).setdefault(log.gateway_id, {})
                held[endpoint] = account.to_json()
        return found

    def close(self) -> None:
        """No call may write any more."""
        for log in (*self._all(), *self._keyless.values()):
            log.close()
        self._opened.clear()
        self._retired.clear()
        self._keyless.clear()

    def _open(self, declared: Declared) -> _Opened:
        lake = open_lake(declared, self._project, self._known)
        folder = self._folder.spool / declared.name
        log = CallLog.open(folder, lake=lake, gateway_id=secrets.token_hex(8))
        return _Opened(declared, lake, log)

    def _is_renewed(self, held: _Opened) -> bool:
        """Whether its master key is another now, or is about to be."""
        known = held.lake.keys.master
        with suppress(LoopwrightError):  # a key that cannot be read is missed when it is needed
            found = _master(held.declared, self._known)
            return (found.successor or found).secret not in (
                known.secret,
                known.successor.secret if known.successor else None,
            )
        return False

    def _retire(self, name: str) -> None:
        """Not closed before the daemon ends: that would lose the calls that are still running."""
        if held := self._opened.pop(name, None):
            held.log.rotate()
            self._retired.append((name, held.log))
        if counting := self._keyless.pop(name, None):  # until calls are told of the other log
            self._retired.append((name, counting))
            asyncio.get_running_loop().call_later(_LAST_CALLS_SECONDS, counting.close)

    def _count_lost(self, name: str) -> None:
        """Without a key calls go unrecorded, and the ledger shall list every one of them."""
        if name not in self._opened and name not in self._keyless:
            with suppress(LoopwrightError, OSError):  # told as the lake's problem already
                self._keyless[name] = KeylessLog.without_key(
                    self._folder.spool / name, gateway_id=secrets.token_hex(8)
                )

    def _all(self) -> list[CallLog]:
        return [
            *(one.log for one in self._opened.values()),
            *(log for _, log in self._retired),
        ]


def _master(declared: Declared, known: Secrets) -> MasterKey:
    reference = declared.spec["masterKey"]
    source = reference.get("file") or f"environment variable {reference['env']}"
    return MasterKey.from_text(known.resolve(reference), source=source)


def _rows(lake: Lake) -> int:
    return sum(file.rows for file in lake.manifest.head().calls)
