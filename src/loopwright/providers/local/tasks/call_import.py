"""The import task: recorded calls from files into a lake, with a receipt in the lake."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loopwright.hashing import digest
from loopwright.lake.importing import ImportProgress, ImportResult, import_calls
from loopwright.lake.keys import Role
from loopwright.lake.store import Lake
from loopwright.providers.base import Progress
from loopwright.providers.local.lake_place import LakePlace, open_lake
from loopwright.providers.local.receipts import Receipt
from loopwright.providers.local.tasks import Outcome

if TYPE_CHECKING:
    from loopwright.providers.local.worker import Work

_BAD_LINES_TOLD = 5


def run(work: Work) -> Outcome:
    """Import what is not in the lake yet. Raises LakeError; the batches before that stay."""
    named = work.arguments["lake"]
    lake = open_lake(named["storage"], named["key"], work.places, role=Role.STANDARD)
    before = work.claim(lambda: {"calls": lake.status().calls})["calls"]

    def report(progress: ImportProgress) -> None:
        note = f"{progress.read:,} calls"
        work.report(Progress(progress.bytes_done, progress.bytes_total, "bytes", note))

    result = import_calls(
        lake,
        [Path(name) for name in work.arguments["files"]],
        endpoint=work.arguments["endpoint"],
        format=work.arguments["format"],
        mapping=work.arguments["mapping"],
        progress=report,
    )
    added = _added(work, lake, result, before)
    outputs = work.told(_outputs(result, added, named["storage"]))
    receipt = Receipt(work.job.external_id, work.job.owner, work.job.revision, outputs)
    LakePlace.of(named["storage"], work.places).imports.put(receipt)
    return Outcome(work.job.external_id, outputs, _message(outputs))


def _added(work: Work, lake: Lake, result: ImportResult, before: int) -> int:
    """What an earlier attempt added before it was killed is ours too, not a duplicate."""
    if work.attempt == 1:
        return result.added
    arrived = lake.status().calls - before
    return max(result.added, min(result.added + result.duplicates, arrived))


def _outputs(result: ImportResult, added: int, storage: str) -> dict[str, Any]:
    good = result.added + result.duplicates
    return {
        "lake": storage,
        "calls": good,
        "read": result.read,
        "added": added,
        "duplicates": good - added,
        "bad": result.bad_total,
        "badLines": [
            f"{line.file}:{line.line}: {line.reason}" for line in result.bad[:_BAD_LINES_TOLD]
        ],
        "noCalls": dict(result.no_calls),
        "formats": dict(sorted(Counter(file.format for file in result.files).items())),
        "digest": digest(sorted(file.sha256 for file in result.files)),
    }


def _message(outputs: dict[str, Any]) -> str:
    """E.g. `3,947 read, 3,941 added, 6 bad lines left out: calls.jsonl:12: not valid JSON`."""
    parts = [f"{outputs['read']:,} read", f"{outputs['added']:,} added"]
    if outputs["duplicates"]:
        parts.append(f"{outputs['duplicates']:,} there already")
    if no_calls := outputs["noCalls"]:
        reasons = ", ".join(f"{reason} ({count:,})" for reason, count in no_calls.items())
        parts.append(f"{sum(no_calls.values()):,} left out: {reasons}")
    if bad := outputs["bad"]:
        more = "; ..." if bad > len(outputs["badLines"]) else ""
        named = "; ".join(outputs["badLines"])
        parts.append(f"{bad:,} bad line{'s' if bad != 1 else ''} left out: {named}{more}")
    return ", ".join(parts)
