"""`loopwright history`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from loopwright.cli.common import ProjectOptions, address, project_options
from loopwright.cli.output import note, say, say_json, table

if TYPE_CHECKING:
    from loopwright.state.store import Entry


@click.command()
@click.argument("resource", metavar="[ADDRESS]", required=False)
@click.option(
    "-n",
    "--limit",
    type=click.IntRange(1),
    default=50,
    show_default=True,
    help="How many lines, newest last.",
)
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@project_options
def command(resource: str | None, limit: int, as_json: bool, options: ProjectOptions) -> None:
    """Tell what happened, from the journal."""
    wanted = str(address(resource)) if resource else None
    state = options.workspace().state()
    entries = list(state.journal(address=wanted, newest_first=True, limit=limit))[::-1]
    if as_json:
        say_json(
            [
                {
                    "seq": entry.seq,
                    "at": entry.at,
                    "kind": entry.kind,
                    "address": entry.address,
                    "run": entry.run,
                    "actor": entry.actor,
                    "data": dict(entry.data),
                }
                for entry in entries
            ]
        )
        return
    if not entries:
        note("Nothing has happened yet.")
        return
    rows = [
        (str(entry.seq), entry.at[:19].replace("T", " "), entry.kind, entry.address, _told(entry))
        for entry in entries
    ]
    say(table(rows, header=("SEQ", "AT (UTC)", "WHAT", "ADDRESS", "")))


_COUNTS = ("changes", "done", "failed")


def _told(entry: Entry) -> str:
    parts = [
        str(entry.data[name])
        for name in ("action", "status", "reason", "error", "message", "from")
        if entry.data.get(name)
    ]
    if entry.data.get("revision"):
        parts.append(f"v{entry.data['revision']}")
    parts += [f"{entry.data[name]} {name}" for name in _COUNTS if entry.data.get(name)]
    return ", ".join(parts)
