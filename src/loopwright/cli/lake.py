"""`loopwright lake`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from loopwright.cli.common import ProjectOptions, project_options
from loopwright.cli.output import note, say, say_json, table
from loopwright.cli.recorded_data import RecordedLake, recorded_data, size_words
from loopwright.clock import to_text
from loopwright.errors import ExitCode

if TYPE_CHECKING:
    from loopwright.lake.status import LakeStatus

_name = click.argument("name", metavar="[NAME]", required=False)


@click.group()
def command() -> None:
    """Look at a lake. NAME may be left out where there is only one."""


@command.command()
@_name
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@project_options
def status(name: str | None, as_json: bool, options: ProjectOptions) -> None:
    """Calls by day and endpoint, size, and up to when it is complete. Opens no text."""
    from loopwright.lake.keys import Role

    with recorded_data(options) as data:
        places = [data.lake(name)] if name else list(data.lakes)
        found = [(place, place.open(Role.READER).status()) for place in places]
    if as_json:
        say_json([_as_json(place, told) for place, told in found])
        return
    if not found:
        note("No lake on this machine is recorded.")
        return
    say("\n\n".join("\n".join(_told(place, told)) for place, told in found))


@command.command()
@_name
@project_options
def verify(name: str | None, options: ProjectOptions) -> int:
    """Compare every file with the lake's manifest, byte for byte. Ends with 1 on a finding."""
    from loopwright.lake.keys import Role

    with recorded_data(options) as data:
        place = data.lake(name)
        lake = place.open(Role.READER)
        findings = lake.verify()
        told = lake.status() if not findings else None
    for finding in findings:
        say(f"{place.name}: {finding}")
    if told is None:
        say(f"Lake/{place.name} is not as it was written: {len(findings)} found.")
        return ExitCode.ERROR
    say(f"Lake/{place.name} is as it was written: {told.files:,} files, {told.calls:,} calls.")
    return ExitCode.DONE


@command.command()
@_name
@project_options
def compact(name: str | None, options: ProjectOptions) -> None:
    """Merge small files and clear what crashed writes left. Datasets do not change."""
    from loopwright.lake.compaction import compact as merge
    from loopwright.lake.keys import Role

    with recorded_data(options) as data:
        place = data.lake(name)
        done = merge(place.open(Role.STANDARD))
    if done.merged_files:
        say(
            f"Lake/{place.name}: {done.merged_files:,} files became {done.written_files:,}, "
            f"with {done.rows:,} calls in them."
        )
    else:
        say(f"Lake/{place.name}: nothing to merge.")
    if done.cleared:
        say(f"{done.cleared:,} leftover files were cleared away.")


def _told(place: RecordedLake, status: LakeStatus) -> Iterator[str]:
    yield f"Lake/{place.name}  in {place.storage}"
    yield f"  calls       {status.calls:,} in {status.files:,} files, {size_words(status.bytes)}"
    delay = status.visibility_delay.total_seconds()
    behind = f", {delay:.0f} s behind now" if delay else ""
    yield f"  complete    through {_second(status.complete_through)} UTC{behind}"
    hidden = status.last_seq - status.visible_seq
    waiting = f", {hidden:,} calls wait for the visibility delay" if hidden else ""
    yield f"  last call   number {status.last_seq:,}{waiting}"
    partitions = len(status.key_ids)
    yield f"  master key  {status.master_key_id}, over the keys of {partitions:,} partitions"
    rows = [
        (
            part.dt,
            part.endpoint,
            f"{part.rows:,}",
            f"{part.files:,}",
            size_words(part.bytes),
        )
        for part in status.partitions
    ]
    if rows:
        yield ""
        yield table(rows, header=("DAY (UTC)", "ENDPOINT", "CALLS", "FILES", "SIZE"))


def _as_json(place: RecordedLake, status: LakeStatus) -> dict[str, Any]:
    return {
        "name": place.name,
        "storage": place.storage,
        "id": status.lake_id,
        "calls": status.calls,
        "files": status.files,
        "bytes": status.bytes,
        "lastSeq": status.last_seq,
        "visibleSeq": status.visible_seq,
        "completeThrough": to_text(status.complete_through),
        "visibilityDelaySeconds": status.visibility_delay.total_seconds(),
        "masterKeyId": status.master_key_id,
        "keyIds": status.key_ids,
        "partitions": [asdict(part) for part in status.partitions],
    }


def _second(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
