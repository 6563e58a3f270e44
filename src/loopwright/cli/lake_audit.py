"""`loopwright lake audit`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from loopwright.cli.common import ProjectOptions, project_options
from loopwright.cli.output import note, say, say_json, table
from loopwright.cli.recorded_data import RecordedLake, recorded_data
from loopwright.cli.unwritten import left_words, unwritten
from loopwright.errors import ExitCode

if TYPE_CHECKING:
    from loopwright.lake.capture.completeness import Audit, EndpointAudit
    from loopwright.lake.capture.ranges import Ranges
    from loopwright.lake.store import Lake

_HEADER = ("GATEWAY", "ENDPOINT", "ACCEPTED", "IN LAKE", "PENDING", "EXCLUDED", "LOST", "REMOVED")
_MOST_LINES = 20


@click.command()
@click.argument("name", metavar="[NAME]", required=False)
@click.option("--all", "every", is_flag=True, help="A line for every gateway and endpoint.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@project_options
def command(name: str | None, every: bool, as_json: bool, options: ProjectOptions) -> int:
    """Prove that no captured call is missing, and that the lake is as it was written.

    Every call that a gateway accepted is in the lake, pending in the log, excluded by policy, lost
    with a reason, or removed since. Ends with 1 when there is a gap, or anything was changed.
    """
    from loopwright.lake.capture.completeness import audit
    from loopwright.lake.capture.left import left
    from loopwright.lake.keys import Role

    with recorded_data(options) as data:
        place = data.lake(name)
        lake = place.open(Role.STANDARD)
        held = unwritten(place)
        found = audit(lake, place.spool, unwritten=held.gateways)
        changed = _changed(lake)
    if as_json:
        say_json(_as_json(place, found, changed))
    else:
        say("\n".join(_told(place, found, changed, every=every)))
        for one in found.notes:
            note(one)
    for other in left(place.spool):
        note(f"Not this lake's: {left_words(other)}")
    if held.silent:
        note(f"What the running gateways could not write down yet is not counted: {held.silent}")
    return ExitCode.DONE if found.complete and not changed else ExitCode.ERROR


def _changed(lake: Lake) -> list[str]:
    """What is not as it was written. Looked at again while nobody writes: they move files."""
    if not (found := lake.verify(strays=False)):
        return found
    with lake.writing():
        return lake.verify(strays=False)


def _findings(found: Audit, changed: list[str]) -> list[str]:
    """Each once: a file that is not as it was written could often not be read either."""
    files = [told.partition(" ")[0] for told in changed]
    read = [one for one in found.findings if not any(file in one for file in files)]
    return [*read, *changed]


def _told(place: RecordedLake, found: Audit, changed: list[str], *, every: bool) -> Iterator[str]:
    if found.endpoints:
        yield table(_rows(found.endpoints, every=every), header=_HEADER)
        yield ""
    for one in found.endpoints:
        for reason, numbers in sorted(one.lost.items()):
            yield f"lost: gateway {one.gateway_id}, endpoint {one.endpoint}, {reason}: {numbers}"
    findings = _findings(found, changed)
    for finding in findings:
        yield f"finding: {finding}"
    accepted = sum(len(one.accepted) for one in found.endpoints)
    if findings:
        yield f"Lake/{place.name} does not add up: {len(findings)} found."
    elif accepted:
        lost = sum(len(numbers) for one in found.endpoints for numbers in one.lost.values())
        calls = (
            "the 1 accepted call is" if accepted == 1 else f"all {accepted:,} accepted calls are"
        )
        yield (
            f"Lake/{place.name}: {calls} accounted for"
            + (f", {lost:,} of them lost." if lost else ", none lost.")
        )
    else:
        yield f"Lake/{place.name} is as it was written; no gateway has captured calls for it."


def _rows(endpoints: Sequence[EndpointAudit], *, every: bool) -> list[tuple[str, ...]]:
    """A line each; of many, those whose calls are all in place together, by endpoint."""
    if every or len(endpoints) <= _MOST_LINES:
        return [_row(one) for one in endpoints]
    settled = [one for one in endpoints if one.complete and not (one.pending or one.lost)]
    together: dict[str, list[EndpointAudit]] = {}
    for one in settled:
        together.setdefault(one.endpoint, []).append(one)
    return [
        *(_sum(endpoint, held) for endpoint, held in sorted(together.items())),
        *(_row(one) for one in endpoints if one not in settled),
    ]


def _sum(endpoint: str, held: Sequence[EndpointAudit]) -> tuple[str, ...]:
    gone = [sum(map(len, one.excluded.values())) for one in held]
    removed = [sum(map(len, one.removed.values())) for one in held]
    return (
        f"{len(held):,} settled",
        endpoint,
        f"{sum(len(one.accepted) for one in held):,}",
        f"{sum(len(one.in_lake) for one in held):,}",
        "0",
        f"{sum(gone):,}",
        "0",
        f"{sum(removed):,}",
    )


def _row(one: EndpointAudit) -> tuple[str, ...]:
    return (
        one.gateway_id,
        one.endpoint,
        f"{len(one.accepted):,}",
        f"{len(one.in_lake):,}",
        f"{len(one.pending):,}",
        _counts(one.excluded),
        _counts(one.lost),
        _counts(one.removed),
    )


def _counts(by_reason: Mapping[str, Ranges]) -> str:
    if not by_reason:
        return "0"
    return ", ".join(f"{len(numbers):,} {why}" for why, numbers in sorted(by_reason.items()))


def _as_json(place: RecordedLake, found: Audit, changed: list[str]) -> dict[str, Any]:
    return {
        "name": place.name,
        "complete": found.complete and not changed,
        "findings": _findings(found, changed),
        "notes": list(found.notes),
        "endpoints": [
            {
                "gateway": one.gateway_id,
                "endpoint": one.endpoint,
                "accepted": len(one.accepted),
                "inLake": len(one.in_lake),
                "pending": len(one.pending),
                "excluded": {why: len(numbers) for why, numbers in one.excluded.items()},
                "lost": {why: list(numbers.runs) for why, numbers in one.lost.items()},
                "removed": {why: len(numbers) for why, numbers in one.removed.items()},
                "missing": list(one.missing.runs),
                "unaccounted": list(one.unaccounted.runs),
                "unknown": list(one.unknown.runs),
            }
            for one in found.endpoints
        ],
    }
