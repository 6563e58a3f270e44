"""The completeness ledger: what became of every call that a gateway accepted.

A file a gateway process, `ledger/<gateway_id>.jsonl`, of lines that are chained by a keyed hash.
It lies in the lake, holds numbers and reasons only, and is never rewritten: erasure adds lines.
"""

from __future__ import annotations

import hmac
import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import orjson

from loopwright.clock import Clock, SystemClock, to_text
from loopwright.errors import LakeError
from loopwright.lake.capture.accounts import Account, Accounts, Sum
from loopwright.lake.capture.ranges import NONE, Ranges
from loopwright.lake.capture.spool import locked
from loopwright.lake.keystore import LakeSecret
from loopwright.lake.store import Lake

FOLDER = "ledger"
_SUFFIX = ".jsonl"
_TAIL = 64 << 10  # a last line is found in this


class What(StrEnum):
    """What a line tells."""

    OPENED = "opened"
    RECORDED = "recorded"
    """A segment of the log is in the lake."""
    CLOSED = "closed"
    """The gateway is gone and its log is empty: no more calls of it will come."""
    REMOVED = "removed"
    """Rows that were delivered leave the lake, erased or past their time."""


@dataclass(slots=True)
class GatewayLedger:
    """What the ledger says of one gateway, apart from the numbers of its calls."""

    gateway_id: str
    segments: Ranges = NONE
    """Segments of its log that are in the lake."""
    damaged: Ranges = NONE
    """Those of them that were not whole when the recorder came."""
    opened_at: str = ""
    host: str = ""
    spool: str = ""
    closed: bool = False
    power_cut: bool = False
    """The machine went down under it: the last commit interval may be missing."""
    lines: int = 0
    finding: str | None = None
    """What is wrong with its file; what comes after is not believed."""
    seal: str = ""
    """Of the last line that was taken."""
    bytes: int = 0
    """How much of its file was read."""

    def take(self, body: Mapping[str, Any]) -> None:
        """Take over a line whose seal fits."""
        match body["what"]:
            case What.OPENED:
                self.opened_at, self.host, self.spool = body["at"], body["host"], body["spool"]
            case What.RECORDED:
                number = Ranges.of([body["segment"]])
                self.segments |= number
                self.damaged |= number if body.get("damaged") else NONE
            case What.CLOSED:
                self.closed, self.power_cut = True, bool(body.get("power_cut"))
        self.lines += 1
        self.seal = body["seal"]


class Ledger:
    """The ledger of one lake. Writers keep each other out by a lock of its own."""

    def __init__(self, lake: Lake, *, clock: Clock | None = None) -> None:
        self.folder = lake.root / FOLDER
        self._disk = lake.disk
        self._clock = clock or SystemClock()
        self._secret = lake_secret(lake, LakeSecret.LEDGER)
        self._known: dict[str, GatewayLedger] = {}

    def gateways(self) -> list[str]:
        """Every gateway that ever opened a log for this lake, sorted."""
        return sorted(unquote(path.stem) for path in self.folder.glob(f"*{_SUFFIX}"))

    def knows(self, gateway_id: str) -> bool:
        return self._path(gateway_id).exists()

    def read(self, gateway_id: str) -> GatewayLedger:
        """What the ledger says of a gateway, up to a line that does not fit.

        The answer grows when it is asked for again. Raises LakeError when it cannot be read.
        """
        ledger = self._known.setdefault(gateway_id, GatewayLedger(gateway_id))
        for _ in self._follow(ledger):
            pass
        return ledger

    def told(self, gateway_id: str) -> tuple[GatewayLedger, Accounts]:
        """The same, and what became of the gateway's calls by endpoint: reads all lines."""
        ledger, total = GatewayLedger(gateway_id), Sum()
        for line in self._follow(ledger):
            total.add(line.get("endpoints", {}))
        return ledger, total.accounts()

    def last_lines(self, count: int) -> list[tuple[str, Mapping[str, Any]]]:
        """The gateways that were told of last, with their last line; nothing is checked."""
        paths = sorted(self.folder.glob(f"*{_SUFFIX}"), key=lambda path: path.stat().st_mtime)
        found = ((unquote(path.stem), _last_line(path)) for path in paths[-count:])
        return [(name, line) for name, line in found if line]

    def opened(self, gateway_id: str, *, spool: Path) -> None:
        """A gateway begins. Raises LakeError when it cannot be written."""
        self._add(gateway_id, What.OPENED, host=socket.gethostname(), spool=str(spool.absolute()))

    def recorded(
        self,
        gateway_id: str,
        segment: int,
        accounts: Mapping[str, Account],
        *,
        damaged: bool = False,
    ) -> None:
        """A segment is in the lake. A second line for the same segment is not written."""
        if segment not in self.read(gateway_id).segments:
            facts = {"segment": segment} | ({"damaged": True} if damaged else {})
            self._add(gateway_id, What.RECORDED, accounts, **facts)

    def closed(
        self, gateway_id: str, accounts: Mapping[str, Account], *, power_cut: bool = False
    ) -> None:
        """No more calls will come; `accounts` tell what became of those without an end."""
        if not self.read(gateway_id).closed:
            self._add(gateway_id, What.CLOSED, accounts, power_cut=power_cut)

    def removed(self, gateway_id: str, numbers: Mapping[str, Ranges], *, why: str) -> None:
        """Rows leave the lake: by endpoint their `gateway_seq`. Saying it twice does no harm.

        To be said before they go, under the lake's lock or not. Gateways that the ledger does not
        know are passed over.
        """
        gone = {name: Account(removed={why: one}) for name, one in numbers.items() if one}
        if gone and self.knows(gateway_id):
            self._add(gateway_id, What.REMOVED, gone)

    def _follow(self, ledger: GatewayLedger) -> Iterator[Mapping[str, Any]]:
        """The lines after those that `ledger` has taken, each taken as it is given.

        A line that is no JSON was torn by a crash; whether it counted, the next seal shows.
        """
        for raw in self._new_lines(ledger):
            try:
                body = orjson.loads(raw)
                given, told = body["seal"], {key: body[key] for key in body if key != "seal"}
            except (orjson.JSONDecodeError, TypeError, KeyError):
                continue
            if given != self._seal(ledger.seal, told):
                ledger.finding = (
                    f"{self._path(ledger.gateway_id)} was changed: line {ledger.lines + 1} "
                    "does not follow from the one before"
                )
                return
            ledger.take(body)
            yield body

    def _new_lines(self, ledger: GatewayLedger) -> Sequence[bytes]:
        path = self._path(ledger.gateway_id)
        if ledger.finding:
            return ()
        try:
            with path.open("rb") as file:
                file.seek(ledger.bytes)
                content = file.read()
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise LakeError(f"cannot read {path}: {error.strerror}") from error
        whole = content[: content.rfind(b"\n") + 1]
        ledger.bytes += len(whole)
        return whole.splitlines()

    def _add(
        self,
        gateway_id: str,
        what: What,
        accounts: Mapping[str, Account] | None = None,
        **facts: Any,
    ) -> None:
        self._disk.make_folders(self.folder)
        path = self._path(gateway_id)
        with locked(self.folder / ".lock"):
            ledger = self.read(gateway_id)
            if ledger.finding:
                raise LakeError(ledger.finding, hint="restore the ledger from a backup")
            body: dict[str, Any] = {"at": to_text(self._clock.now()), "what": what, **facts}
            if accounts:
                body["endpoints"] = {name: one.to_json() for name, one in accounts.items()}
            body = orjson.loads(orjson.dumps(body))
            body["seal"] = self._seal(ledger.seal, body)
            torn = path.exists() and path.stat().st_size > ledger.bytes
            self._disk.append(path, (b"\n" if torn else b"") + orjson.dumps(body) + b"\n")

    def _seal(self, previous: str, told: Mapping[str, Any]) -> str:
        canonical = orjson.dumps((previous, told), option=orjson.OPT_SORT_KEYS)
        return hmac.digest(self._secret, canonical, "sha256").hex()

    def _path(self, gateway_id: str) -> Path:
        return self.folder / f"{quote(gateway_id, safe='')}{_SUFFIX}"


def _last_line(path: Path) -> Mapping[str, Any] | None:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL))
        lines = file.read().splitlines()
    for raw in reversed(lines):
        with suppress(orjson.JSONDecodeError):
            line: Mapping[str, Any] = orjson.loads(raw)
            return line
    return None


def lake_secret(lake: Lake, kind: LakeSecret) -> bytes:
    """A secret of the lake; made now where an older version made the lake."""
    try:
        return lake.keys.secret(kind)
    except LakeError:
        if not os.access(lake.root, os.W_OK):
            raise
    with lake.disk.lock(lake.lock_path):
        lake.keys.ensure_secrets()
    return lake.keys.secret(kind)
