"""An erasure in words and in JSON. Neither says whose it is, nor names a call."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import orjson

from loopwright.cli.dataset_words import counted
from loopwright.cli.output import table

if TYPE_CHECKING:
    from pathlib import Path

    from loopwright.cli.erasing import Copy, ErasurePlan, FoundIn
    from loopwright.cli.erasure_keys import KeyFate
    from loopwright.lake.erasing.erasure import Journal


def plan_lines(plan: ErasurePlan) -> Iterator[str]:
    """What goes, what is marked, and what is left to people, a line each."""
    if plan.empty:
        yield "Nothing of this subject is here."
    for one in plan.found:
        yield from _found_lines(one)
    for copy in plan.copies:
        yield f"{copy.kind} {copy.name}: {_fate(copy)}"
    for touched in plan.touched:
        if touched.inside:
            revision = f" v{touched.revision}" if touched.revision else ""
            yield f"{touched.address}{revision}: made from them; it is marked, make it anew"
    for key in plan.keys:
        yield f"master key in {key.where}: {_key_fate(key)}"
    if plan.queries:
        lines = counted(plan.queries, "line")
        yield f"query history and audit logs: the id is taken out of {lines}"
    for file in plan.files:
        yield f"file {file}: calls were imported from it; it stays as it is"


def _found_lines(one: FoundIn) -> Iterator[str]:
    kind = "inference dataset" if one.inference else "Lake"
    calls, notes = one.traces.rows("calls"), one.traces.rows("feedback")
    go = "goes" if calls + notes == 1 else "go"
    yield f"{kind} {one.place.name}: {counted(calls, 'call')}{_remarks(notes)} {go}"
    rows = [
        (share.table, share.dt, share.endpoint, f"{share.rows:,}", f"{share.of:,}")
        for share in one.traces.shares
    ]
    if rows:
        shown = table(rows, header=("TABLE", "DAY (UTC)", "ENDPOINT", "ROWS", "OF"))
        yield from (f"  {line}" for line in shown.splitlines())


def _remarks(count: int) -> str:
    rows = "row" if count == 1 else "rows"
    return f" and {count:,} {rows} of feedback" if count else ""


def _key_fate(key: KeyFate) -> str:
    if key.renewed:
        return f"renewed at the end, so that older copies of {key.names} close"
    return f"it is yours and stays, so that older copies of {key.names} open with it until you \
rotate it"


def _fate(copy: Copy) -> str:
    if copy.made_again:
        return "removed; the next apply makes it again"
    if copy.lines is None:
        return "may hold lines of them and does not tell; look yourself, or export it again"
    if copy.erasable:
        return f"{counted(copy.lines, 'line')} go{'es' if copy.lines == 1 else ''}"
    return f"{counted(copy.lines, 'line')} cannot be taken out from here; remove it by hand"


def receipt_bytes(plan: ErasurePlan, journals: Sequence[Journal], *, name: str, at: str) -> bytes:
    """What was erased, in JSON that names nobody."""
    removed = [
        {"journal": journal.id, "rows": journal.removed, "partitions": journal.partitions}
        for journal in journals
    ]
    told = plan_json(plan) | {"erasure": name, "at": at, "removed": removed}
    return orjson.dumps(told, option=orjson.OPT_INDENT_2) + b"\n"


def receipt_journals(path: Path) -> frozenset[str]:
    """Ids of the journals that a receipt is of; none where it cannot be read."""
    try:
        found = orjson.loads(path.read_bytes())
        return frozenset(one["journal"] for one in found["removed"])
    except (OSError, ValueError, TypeError, KeyError):
        return frozenset()


def plan_json(plan: ErasurePlan) -> dict[str, Any]:
    """The plan as JSON, without the subject's id or calls."""
    return {
        "lakes": [
            {
                "name": one.place.name,
                "kind": "InferenceDataset" if one.inference else "Lake",
                "calls": len(one.traces.call_ids),
                "partitions": [asdict(share) for share in one.traces.shares],
            }
            for one in plan.found
        ],
        "copies": [
            {
                "kind": one.kind,
                "name": one.name,
                "lines": one.lines,
                "erasable": one.erasable,
                "madeAgain": one.made_again,
            }
            for one in plan.copies
        ],
        "touched": [
            {
                "address": str(one.address),
                "revision": one.revision,
                "calls": one.calls,
                "inside": one.inside,
            }
            for one in plan.touched
        ],
        "masterKeys": [key.told() for key in plan.keys],
        "queries": plan.queries,
        "importedFiles": list(plan.files),
    }
