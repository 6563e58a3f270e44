"""The proof that no call is missing: accepted = in the lake + pending + excluded + lost + removed.

Three witnesses are heard, the logs, the ledger and the lake's own rows, in an order that makes
calls which move from one to the next meanwhile count once. Nothing is changed here.
"""

from __future__ import annotations

import socket
from array import array
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow.compute as pc

from loopwright.errors import LakeError, LakeIntegrityError
from loopwright.lake.capture.accounts import Account, Accounts, add_all, joined
from loopwright.lake.capture.ledger import GatewayLedger, Ledger, lake_secret
from loopwright.lake.capture.ranges import NONE, Ranges
from loopwright.lake.capture.spool import gateways
from loopwright.lake.capture.taking import take
from loopwright.lake.files import LakeFile
from loopwright.lake.keystore import LakeSecret
from loopwright.lake.reading import Selection
from loopwright.lake.store import Lake

_Key = tuple[str, str]
"""Gateway and endpoint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointAudit:
    """Where the calls are that one gateway accepted for one endpoint. Every number is in one."""

    gateway_id: str
    endpoint: str
    accepted: Ranges
    in_lake: Ranges
    pending: Ranges
    """Still running, or in the log."""
    excluded: Mapping[str, Ranges]
    lost: Mapping[str, Ranges]
    removed: Mapping[str, Ranges]
    missing: Ranges
    """The ledger says that they were put into the lake, and they are not there."""
    unaccounted: Ranges
    """Nobody says what became of them."""
    unknown: Ranges
    """Rows of the lake that no ledger line and no log tells of; not among the accepted."""

    @property
    def complete(self) -> bool:
        return not (self.missing or self.unaccounted or self.unknown)


@dataclass(frozen=True, slots=True)
class Audit:
    """What an audit found. `notes` are no defects: what could not be looked at, power cuts."""

    endpoints: tuple[EndpointAudit, ...]
    findings: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        return not self.findings


@dataclass(slots=True)
class _Logs:
    """What lies in the spool."""

    accounts: dict[str, Accounts] = field(default_factory=lambda: defaultdict(dict))
    segments: dict[str, Ranges] = field(default_factory=dict)
    findings: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Rows:
    """The rows that gateways captured: all there are, and those there were at the beginning."""

    all: dict[_Key, array[int]] = field(default_factory=lambda: defaultdict(lambda: array("q")))
    early: dict[_Key, array[int]] = field(default_factory=lambda: defaultdict(lambda: array("q")))
    findings: list[str] = field(default_factory=list)
    """Files that cannot be read."""


def audit(lake: Lake, spool: Path | None) -> Audit:
    """Account for every call. `spool` is this lake's spool folder on this machine, if any.

    Reads the numbers of all rows, no text. What is found is looked at once more: a row that was
    erased in between is no finding. Raises LakeError when the lake cannot be read, and
    LakeKeyError in a role that may not open logs.
    """
    found = _audit(lake, spool)
    return found if found.complete else _audit(lake, spool)


def _audit(lake: Lake, spool: Path | None) -> Audit:
    begun = lake.manifest.head().last_seq
    logs = _logs(lake, spool)
    ledger = Ledger(lake)
    known = {name: ledger.told(name) for name in ledger.gateways()}
    rows = _rows(lake, begun)
    names = sorted({*known, *logs.accounts, *(gateway for gateway, _ in rows.all)})
    found: list[EndpointAudit] = []
    findings, notes = [*logs.findings, *rows.findings], list[str]()
    for name in names:
        told, accounts = known.get(name, (GatewayLedger(name), {}))
        if told.finding:
            findings.append(told.finding)
        state = _state(lake, told, accounts, logs, spool)
        notes.extend(state.notes)
        findings.extend(state.findings)
        logged = logs.accounts.get(name, {})
        for one in _endpoints(name, accounts, logged, rows, open_=state.open):
            found.append(one)
            findings.extend(_gaps(one, rows))
    return Audit(tuple(found), tuple(findings), tuple(notes))


@dataclass(frozen=True, slots=True)
class _State:
    """Whether calls of a gateway may still be on their way, and what is odd about its log."""

    open: bool
    findings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def _state(
    lake: Lake, told: GatewayLedger, accounts: Accounts, logs: _Logs, spool: Path | None
) -> _State:
    name = told.gateway_id
    findings = [
        f"gateway {name}: segment {number} of its log was not whole when it was recorded"
        for number in told.damaged
    ]
    notes: list[str] = []
    written = told.segments | logs.segments.get(name, NONE)
    if absent := Ranges(((1, written.last),)) - written if written else NONE:
        where = notes if told.power_cut else findings
        where.append(f"gateway {name}: segment {absent} of its log is missing")
    if told.power_cut:
        notes.append(
            f"gateway {name}: the machine went down under it; calls of the last commit interval "
            f"may have left no trace after {_last_numbers(accounts)}"
        )
    if told.closed:
        return _State(False, tuple(findings), tuple(notes))
    if spool is not None and (spool / name).is_dir():
        return _State(True, tuple(findings), tuple(notes))
    if Ledger(lake).read(name).closed:  # since we asked
        return _State(True, tuple(findings), tuple(notes))
    if told.opened_at and (spool is None or not _was_here(told, spool)):
        notes.append(f"gateway {name} keeps its log on {told.host}, in {told.spool}")
        return _State(True, tuple(findings), tuple(notes))
    if told.opened_at:
        findings.append(f"gateway {name}: its log is gone, and it was never emptied to the end")
    return _State(False, tuple(findings), tuple(notes))


def _was_here(told: GatewayLedger, spool: Path) -> bool:
    return told.host == socket.gethostname() and told.spool == str(spool.absolute())


def _last_numbers(accounts: Accounts) -> str:
    ends = [f"{endpoint} {account.all.last}" for endpoint, account in sorted(accounts.items())]
    return ", ".join(ends) or "the beginning"


def _endpoints(
    name: str, told: Accounts, logged: Accounts, rows: _Rows, *, open_: bool
) -> Iterator[EndpointAudit]:
    in_rows = {endpoint for gateway, endpoint in rows.all if gateway == name}
    for endpoint in sorted({*told, *logged, *in_rows}):
        yield _endpoint(
            (name, endpoint),
            told.get(endpoint, Account()),
            logged.get(endpoint, Account()),
            rows,
            open_=open_,
        )


def _endpoint(
    key: _Key, told: Account, logged: Account, rows: _Rows, *, open_: bool
) -> EndpointAudit:
    both = Account()
    both.add(told)
    both.add(logged)
    held = Ranges.of(rows.all.get(key, ()))
    early = Ranges.of(rows.early.get(key, ()))
    left = _Left(both.all)
    in_lake = left.take(held)
    removed = {why: left.take(numbers) for why, numbers in both.removed.items()}
    missing = left.take(told.delivered)
    pending = left.take(logged.delivered)
    excluded = {why: left.take(numbers) for why, numbers in both.excluded.items()}
    lost = {why: left.take(numbers) for why, numbers in both.lost.items()}
    return EndpointAudit(
        gateway_id=key[0],
        endpoint=key[1],
        accepted=both.all,
        in_lake=in_lake,
        pending=pending | left.numbers if open_ else pending,
        excluded={why: numbers for why, numbers in excluded.items() if numbers},
        lost={why: numbers for why, numbers in lost.items() if numbers},
        removed={why: numbers for why, numbers in removed.items() if numbers},
        missing=missing,
        unaccounted=NONE if open_ else left.numbers,
        unknown=early - told.delivered - logged.delivered - joined(told.removed),
    )


class _Left:
    """Numbers that nobody has taken yet: the first who takes one has it."""

    def __init__(self, numbers: Ranges) -> None:
        self.numbers = numbers

    def take(self, wanted: Ranges) -> Ranges:
        before, self.numbers = self.numbers, self.numbers - wanted
        return before - self.numbers


def _gaps(one: EndpointAudit, rows: _Rows) -> Iterator[str]:
    where = f"gateway {one.gateway_id}, endpoint {one.endpoint}"
    if one.unaccounted:
        yield f"{where}: nobody says what became of calls {one.unaccounted}"
    if one.missing:
        yield f"{where}: calls {one.missing} were put into the lake and are not there"
    if one.unknown:
        yield f"{where}: the ledger knows nothing of rows {one.unknown}"
    held = rows.all.get((one.gateway_id, one.endpoint), ())
    if twice := len(held) - len(set(held)):
        yield f"{where}: {twice:,} rows are there twice"


def _logs(lake: Lake, spool: Path | None) -> _Logs:
    """What the segments in the spool say; one that goes meanwhile is in the ledger by now."""
    found = _Logs()
    if spool is None or not spool.is_dir():
        return found
    secret = lake_secret(lake, LakeSecret.LOG)
    for gateway in gateways(spool):
        with suppress(FileNotFoundError):
            for segment in gateway.segments():
                with suppress(FileNotFoundError):
                    found.segments[gateway.id] = found.segments.get(gateway.id, NONE) | Ranges.of(
                        [segment.number]
                    )
                    try:
                        taken = take(gateway, segment, secret=secret)
                    except LakeError as error:
                        found.findings.append(f"{segment.path}: {error.message}")
                        continue
                    add_all(found.accounts[gateway.id], taken.accounts)
                    if taken.damaged:
                        found.findings.append(f"{segment.path} is not whole")
    return found


def _rows(lake: Lake, begun: int) -> _Rows:
    found = _Rows()
    for file in lake.manifest.head().calls:
        try:
            for gateway_id, number, seq in _captured(lake, file):
                key = gateway_id, file.endpoint
                found.all[key].append(number)
                if seq <= begun:
                    found.early[key].append(number)
        except LakeIntegrityError as error:
            found.findings.append(error.message)
    return found


def _captured(lake: Lake, file: LakeFile) -> Iterator[tuple[str, int, int]]:
    columns = ["gateway_id", "gateway_seq", "seq"]
    for batch in lake.reader.batches(file, columns, Selection.everything()):
        captured = batch.filter(pc.is_valid(batch["gateway_seq"]))
        yield from zip(*(captured[name].to_pylist() for name in columns), strict=True)
