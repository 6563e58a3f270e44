"""`loopwright lake calls`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import click

from loopwright.cli.common import ProjectOptions, project_options
from loopwright.cli.durations import DURATION
from loopwright.cli.output import note, say, say_json, table
from loopwright.cli.recorded_data import RecordedLake, recorded_data
from loopwright.errors import LoopwrightError

_HEADER = ("TIME (UTC)", "ENDPOINT", "MODEL", "OUTCOME", "TOKENS", "MS", "CALL")
_MICROSECONDS = 1_000_000


@click.command()
@click.argument("name", metavar="[NAME]", required=False)
@click.option(
    "--limit", type=click.IntRange(min=1, max=10_000), default=20, show_default=True, metavar="N"
)
@click.option("--endpoint", metavar="NAME", help="Calls of this endpoint only.")
@click.option("--outcome", metavar="WORD", help="ok, upstream_error, client_abort, timeout ...")
@click.option("--since", type=DURATION, metavar="AGE", help="No older than this, such as 1h.")
@click.option(
    "--open",
    "call_id",
    metavar="CALL",
    help="Show what was asked and answered in one call; recorded in the lake's audit log.",
)
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@project_options
def command(
    name: str | None,
    limit: int,
    endpoint: str | None,
    outcome: str | None,
    since: int | None,
    call_id: str | None,
    as_json: bool,
    options: ProjectOptions,
) -> None:
    """Recent calls, the newest first, without their text.

    A call is in the lake a few seconds after its answer, and is shown from then on.
    """
    with recorded_data(options) as data:
        place = data.lake(name)
        if call_id:
            _show(place, call_id, as_json=as_json)
            return
        rows = _recent(place, limit=limit, endpoint=endpoint, outcome=outcome, since=since)
    if as_json:
        say_json(rows)
    elif rows:
        say(table([_row(row) for row in rows], header=_HEADER))
    else:
        note(f"Lake/{place.name} has no such calls.")
    _note_waiting(place)


def _recent(
    place: RecordedLake,
    *,
    limit: int,
    endpoint: str | None,
    outcome: str | None,
    since: int | None,
) -> list[dict[str, Any]]:
    from loopwright.lake.keys import Role
    from loopwright.lake.recent import recent

    lake = place.open(Role.READER)
    start = None if since is None else int(lake.clock.now().timestamp() - since) * _MICROSECONDS
    return recent(lake.snapshot(), limit=limit, endpoint=endpoint, outcome=outcome, since=start)


def _show(place: RecordedLake, call_id: str, *, as_json: bool) -> None:
    from loopwright.cli.call_text import told
    from loopwright.lake.keys import Role
    from loopwright.lake.recent import feedback_on, opened

    snapshot = place.open(Role.STANDARD).snapshot()
    purpose = f"lake calls --open {call_id}"
    try:
        row = opened(snapshot, call_id, purpose=purpose)
    except LoopwrightError as error:
        if error.hint is None:
            error.hint = _where_it_may_be(place)
        raise
    feedback = feedback_on(snapshot, call_id, purpose=purpose)
    if as_json:
        say_json({**_plain(row), "feedback": [_plain(one) for one in feedback]})
    else:
        say("\n".join(told(row, feedback)))


def _where_it_may_be(place: RecordedLake) -> str:
    from loopwright.lake.capture.waiting import waiting

    if calls := waiting(place.spool).calls:
        are = "call is" if calls == 1 else "calls are"
        return f"{calls:,} {are} still in the log: try again in a few seconds"
    return "`loopwright lake calls` lists the newest ones"


def _note_waiting(place: RecordedLake) -> None:
    from loopwright.lake.capture.waiting import waiting

    log = waiting(place.spool)
    if log.calls:
        note(
            f"{log.calls:,} more {'call waits' if log.calls == 1 else 'calls wait'} in the log, "
            f"the oldest for {log.oldest_seconds:.0f} s."
        )


def _row(row: Mapping[str, Any]) -> Sequence[str]:
    from loopwright.planning.render.width import printable

    ts: datetime = row["ts"]
    outcome = row["outcome"] or "?"
    if row["http_status"] not in (None, 200):
        outcome += f" {row['http_status']}"
    tokens = f"{_number(row['input_tokens'])}+{_number(row['output_tokens'])}"
    return (
        ts.astimezone(UTC).strftime("%m-%d %H:%M:%S"),
        printable(row["endpoint"]),
        printable(row["model"] or "?"),
        printable(outcome),
        tokens,
        _number(row["latency_ms"]),
        printable(row["call_id"]),
    )


def _number(value: int | None) -> str:
    return "?" if value is None else f"{value:,}"


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """Bytes as hexadecimal digits, map columns as objects, absent values left out."""
    told: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, bytes):
            told[name] = value.hex()
        elif isinstance(value, list):
            told[name] = dict(value)
        elif value is not None:
            told[name] = value
    return told
