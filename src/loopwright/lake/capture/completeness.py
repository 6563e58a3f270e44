"""The proof that no call is missing: accepted = in the lake + pending + excluded + lost + removed.

Three witnesses are heard, the logs, the ledger and the lake's own rows, in an order that makes
calls which move from one to the next meanwhile count once. Nothing is changed here.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from loopwright.lake.capture.accounts import Account, Accounts, add_all, joined
from loopwright.lake.capture.ledger import GatewayLedger, Ledger
from loopwright.lake.capture.ranges import NONE, Ranges
from loopwright.lake.capture.witnesses import Key, Logs, Rows, read_logs, read_rows
from loopwright.lake.store import Lake


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


def audit(
    lake: Lake, spool: Path | None, *, unwritten: Mapping[str, Accounts] = MappingProxyType({})
) -> Audit:
    """Account for every call. `spool` is this lake's spool folder on this machine, if any.

    `unwritten` is what running gateways said before that their logs could not write down yet, by
    gateway: only they know it.

    Reads the numbers of all rows, no text. What is found is looked at once more: a row that was
    erased in between is no finding. Raises LakeError when the lake cannot be read, and
    LakeKeyError in a role that may not open logs.
    """
    found = _audit(lake, spool, unwritten)
    return found if found.complete else _audit(lake, spool, unwritten)


def _audit(lake: Lake, spool: Path | None, unwritten: Mapping[str, Accounts]) -> Audit:
    begun = lake.manifest.head().last_seq
    logs = read_logs(lake, spool)
    for name, held in unwritten.items():
        add_all(logs.accounts[name], held)
    ledger = Ledger(lake)
    known = {name: ledger.told(name) for name in ledger.gateways()}
    rows = read_rows(lake, early=begun)
    names = sorted({*known, *logs.accounts, *(gateway for gateway, _ in rows.all)})
    found: list[EndpointAudit] = []
    findings, notes = [*logs.findings, *rows.findings], list(_in_memory(unwritten))
    for name in names:
        told, accounts = known.get(name, (GatewayLedger(name), {}))
        if told.finding:
            findings.append(told.finding)
        is_open, about_it = _is_open(lake, told, spool)
        for odd in (about_it, _segments(told, accounts, logs)):
            findings.extend(odd.findings)
            notes.extend(odd.notes)
        logged = logs.accounts.get(name, {})
        for one in _endpoints(name, accounts, logged, rows, is_open=is_open):
            found.append(one)
            findings.extend(_gaps(one, rows))
    return Audit(tuple(found), tuple(findings), tuple(notes))


@dataclass(frozen=True, slots=True)
class _Odd:
    """What is to be said of a gateway's log."""

    findings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def _is_open(lake: Lake, told: GatewayLedger, spool: Path | None) -> tuple[bool, _Odd]:
    """Whether calls of the gateway may still be on their way."""
    name = told.gateway_id
    if told.closed:
        return False, _Odd()
    if spool is not None and (spool / name).is_dir():
        return True, _Odd()
    if Ledger(lake).read(name).closed:  # since we asked
        return True, _Odd()
    if not told.opened_at:
        return False, _Odd()
    if spool is None or not _was_here(told, spool):
        where = f"gateway {name} keeps its log on {told.host}, in {told.spool}"
        return True, _Odd(notes=(where,))
    gone = f"gateway {name}: its log is gone, and it was never emptied to the end"
    return False, _Odd(findings=(gone,))


def _segments(told: GatewayLedger, accounts: Accounts, logs: Logs) -> _Odd:
    """What is odd about the segments of the gateway's log."""
    name = told.gateway_id
    findings = [
        f"gateway {name}: segment {number} of its log was not whole when it was recorded"
        for number in told.damaged
    ]
    notes: list[str] = []
    lost_power = told.power_cut or name in logs.power_cuts
    written = told.segments | logs.segments.get(name, NONE)
    if absent := Ranges(((1, written.last),)) - written if written else NONE:
        where = notes if lost_power else findings
        where.append(f"gateway {name}: segment {absent} of its log is missing")
    if lost_power:
        notes.append(
            f"gateway {name}: the machine went down under it; calls of the last commit interval "
            f"may have left no trace after {_last_numbers(accounts)}"
        )
    return _Odd(tuple(findings), tuple(notes))


def _in_memory(unwritten: Mapping[str, Accounts]) -> Iterator[str]:
    for name, held in unwritten.items():
        if count := sum(len(account.settled) for account in held.values()):
            yield (
                f"gateway {name}: its log does not take what became of "
                f"{count:,} {'call' if count == 1 else 'calls'}; counted as the gateway tells"
            )


def _was_here(told: GatewayLedger, spool: Path) -> bool:
    return told.host == socket.gethostname() and told.spool == str(spool.absolute())


def _last_numbers(accounts: Accounts) -> str:
    ends = [f"{endpoint} {account.all.last}" for endpoint, account in sorted(accounts.items())]
    return ", ".join(ends) or "the beginning"


def _endpoints(
    name: str, told: Accounts, logged: Accounts, rows: Rows, *, is_open: bool
) -> Iterator[EndpointAudit]:
    in_rows = {endpoint for gateway, endpoint in rows.all if gateway == name}
    for endpoint in sorted({*told, *logged, *in_rows}):
        yield _endpoint(
            (name, endpoint),
            told.get(endpoint, Account()),
            logged.get(endpoint, Account()),
            rows,
            is_open=is_open,
        )


def _endpoint(
    key: Key, told: Account, logged: Account, rows: Rows, *, is_open: bool
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
        pending=pending | left.numbers if is_open else pending,
        excluded={why: numbers for why, numbers in excluded.items() if numbers},
        lost={why: numbers for why, numbers in lost.items() if numbers},
        removed={why: numbers for why, numbers in removed.items() if numbers},
        missing=missing,
        unaccounted=NONE if is_open else left.numbers,
        unknown=early - told.delivered - logged.delivered - joined(told.removed),
    )


class _Left:
    """Numbers that nobody has taken yet: the first who takes one has it."""

    def __init__(self, numbers: Ranges) -> None:
        self.numbers = numbers

    def take(self, wanted: Ranges) -> Ranges:
        before, self.numbers = self.numbers, self.numbers - wanted
        return before - self.numbers


def _gaps(one: EndpointAudit, rows: Rows) -> Iterator[str]:
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
