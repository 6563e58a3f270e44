"""`loopwright lake status`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import TYPE_CHECKING, Any

import click

from loopwright.cli.common import ProjectOptions, project_options
from loopwright.cli.output import note, say, say_json, table
from loopwright.cli.recorded_data import RecordedLake, recorded_data, size_words
from loopwright.cli.unwritten import Unwritten, left_words, unwritten
from loopwright.clock import to_text

if TYPE_CHECKING:
    from loopwright.lake.capture.left import Left
    from loopwright.lake.capture.waiting import Waiting
    from loopwright.lake.status import LakeStatus, PartitionStatus

_MOST_LINES = 20
_LEDGER_LINES = 3

_Row = tuple[str, str, str, str, str]


@dataclass(frozen=True, slots=True)
class _Found:
    place: RecordedLake
    status: LakeStatus
    log: Waiting
    held: Unwritten
    left: Sequence[Left]
    ledger: Sequence[tuple[str, Mapping[str, Any]]]
    """The gateways that the ledger told of last, each with its last line."""

    @property
    def complete_through(self) -> datetime:
        """The lake's own word, unless older calls still wait in the log."""
        if not self.log:
            return self.status.complete_through
        oldest = datetime.now(UTC) - timedelta(seconds=self.log.oldest_seconds)
        return min(self.status.complete_through, oldest)


@click.command()
@click.argument("name", metavar="[NAME]", required=False)
@click.option("--all", "every", is_flag=True, help="A line for every day and endpoint.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@project_options
def command(name: str | None, every: bool, as_json: bool, options: ProjectOptions) -> None:
    """Calls by day and endpoint, size, keys, up to when it is complete, and what is on its way.

    Opens no text.
    """
    with recorded_data(options) as data:
        places = [data.lake(name)] if name else list(data.lakes)
        found = [_look(place) for place in places]
    if as_json:
        say_json([_as_json(one) for one in found])
        return
    if not found:
        note("No lake on this machine is recorded.")
        return
    say("\n\n".join("\n".join(_told(one, every=every)) for one in found))


def _look(place: RecordedLake) -> _Found:
    from loopwright.lake.capture.ledger import Ledger
    from loopwright.lake.capture.left import left
    from loopwright.lake.capture.waiting import waiting
    from loopwright.lake.keys import Role

    lake = place.open(Role.READER)
    held = unwritten(place)
    log = waiting(place.spool)  # before the lake: what moves over meanwhile is told twice, not lost
    ledger = Ledger(lake).last_lines(_LEDGER_LINES)
    return _Found(place, lake.status(), log, held, list(left(place.spool)), ledger)


def _told(found: _Found, *, every: bool) -> Iterator[str]:
    place, status = found.place, found.status
    yield f"Lake/{place.name}  in {place.storage}"
    files = _counted(status.files, "file")
    yield f"  calls       {status.calls:,} in {files}, {size_words(status.bytes)}"
    if status.feedback:
        yield f"  feedback    {status.feedback:,}"
    lag = max(status.visibility_delay.total_seconds(), found.log.oldest_seconds)
    behind = f", {lag:.0f} s behind now" if lag else ""
    yield f"  complete    through {_second(found.complete_through)} UTC{behind}"
    hidden = status.last_seq - status.visible_seq
    delayed = f", {_counted(hidden, 'row')} hidden by the visibility delay" if hidden else ""
    yield f"  last call   number {status.last_seq:,}{delayed}"
    yield f"  on the way  {_on_the_way(found.log)}"
    if found.held.lost:
        lost = f"{_counted(found.held.lost, 'call')} lost"
        yield f"  unwritten   {lost}, and the log's disk does not take even that; see `lake audit`"
    for one in found.left:
        yield f"  left over   {left_words(one)}"
    if found.held.silent:
        yield f"  unwritten   not known: {found.held.silent}"
    keys = _counted(len(status.key_ids), "partition")
    yield f"  master key  {status.master_key_id}, which opens the keys of {keys}"
    yield from _ledger(found.ledger)
    if rows := _rows(status.partitions, every=every):
        yield ""
        yield table(rows, header=("DAY (UTC)", "ENDPOINT", "CALLS", "FILES", "SIZE"))


def _on_the_way(log: Waiting) -> str:
    gateways = f"; {_counted(log.running_gateways, 'log')} open"  # one gateway may hold several
    left = (
        f", {_counted(log.dead_gateways, 'log')} left by gateways that ended"
        if log.dead_gateways
        else ""
    )
    if not log:
        return f"nothing{gateways}{left}"
    kinds = [
        _counted(count, word)
        for count, word in ((log.calls, "call"), (log.feedback, "row of feedback"))
        if count
    ]
    waits = f"{' and '.join(kinds)} in the log ({size_words(log.bytes)})"
    return f"{waits}, the oldest for {log.oldest_seconds:.0f} s{gateways}{left}"


def _ledger(ledger: Sequence[tuple[str, Mapping[str, Any]]]) -> Iterator[str]:
    for place, (gateway, line) in enumerate(ledger):
        when = str(line.get("at", ""))[:19].replace("T", " ")
        segment = f" segment {line['segment']}" if "segment" in line else ""
        head = "ledger" if place == 0 else ""
        yield f"  {head:<10}  {when} UTC  gateway {gateway}: {line.get('what')}{segment}"


def _rows(partitions: Sequence[PartitionStatus], *, every: bool) -> list[_Row]:
    """A line a day and endpoint; of many a line a day, the oldest days together."""
    if every or len(partitions) <= _MOST_LINES:
        return [_row(part.dt, part.endpoint, [part]) for part in partitions]
    days = [(dt, list(held)) for dt, held in groupby(partitions, key=lambda part: part.dt)]
    older, newer = days[:-_MOST_LINES], days[-_MOST_LINES:]
    rows = [_row(dt, _endpoints(held), held) for dt, held in newer]
    if older:
        held = [part for _, parts in older for part in parts]
        rows.insert(0, _row(f"until {older[-1][0]}", _endpoints(held), held))
    return rows


def _row(day: str, endpoint: str, held: Sequence[PartitionStatus]) -> _Row:
    return (
        day,
        endpoint,
        f"{sum(part.rows for part in held):,}",
        f"{sum(part.files for part in held):,}",
        size_words(sum(part.bytes for part in held)),
    )


def _endpoints(held: Sequence[PartitionStatus]) -> str:
    names = {part.endpoint for part in held}
    return next(iter(names)) if len(names) == 1 else f"{len(names)} endpoints"


def _as_json(found: _Found) -> dict[str, Any]:
    status, log = found.status, found.log
    return {
        "name": found.place.name,
        "storage": found.place.storage,
        "id": status.lake_id,
        "calls": status.calls,
        "feedback": status.feedback,
        "files": status.files,
        "bytes": status.bytes,
        "lastSeq": status.last_seq,
        "visibleSeq": status.visible_seq,
        "completeThrough": to_text(found.complete_through),
        "visibilityDelaySeconds": status.visibility_delay.total_seconds(),
        "masterKeyId": status.master_key_id,
        "keyIds": status.key_ids,
        "log": {
            "calls": log.calls,
            "feedback": log.feedback,
            "bytes": log.bytes,
            "oldestSeconds": round(log.oldest_seconds, 3),
            "runningGateways": log.running_gateways,
            "deadGateways": log.dead_gateways,
            "unwrittenLost": None if found.held.silent else found.held.lost,
        },
        "left": [
            {"lake": one.lake_id, "folder": str(one.folder), "calls": one.calls}
            for one in found.left
        ],
        "ledger": [{"gateway": gateway, "lastLine": dict(line)} for gateway, line in found.ledger],
        "partitions": [asdict(part) for part in status.partitions],
    }


def _second(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def _counted(count: int, word: str) -> str:
    if count == 1:
        return f"1 {word}"
    first, space, rest = word.partition(" ")
    return f"{count:,} {first}s{space}{rest}"
