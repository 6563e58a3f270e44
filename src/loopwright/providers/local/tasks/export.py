"""The export task: a dataset version into a folder, in place of what we put there before."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loopwright.hashing import digest, file_digest
from loopwright.lake.catalog import Catalog
from loopwright.lake.exporting import ExportProgress, ExportResult, export_version
from loopwright.providers.base import Progress
from loopwright.providers.local.receipts import Receipt, exports_of
from loopwright.providers.local.tasks import Outcome

if TYPE_CHECKING:
    from loopwright.providers.local.worker import Work


def run(work: Work) -> Outcome:
    """Export whole or not at all. Raises DatasetError over files that are not ours."""
    arguments, places = work.arguments, work.places
    destination = places.path(arguments["to"])
    receipts = exports_of(places)
    known = receipts.get(arguments["to"])
    aside = destination.with_name(f".{destination.name}.replaced")
    if known and known.owner == work.job.owner and _holds(destination, known):
        shutil.rmtree(aside, ignore_errors=True)
        destination.rename(aside)

    def report(progress: ExportProgress) -> None:
        work.report(Progress(progress.copied, progress.total, "rows"))

    try:
        result = export_version(
            Catalog(places.path(arguments["datasets"])),
            arguments["name"],
            arguments["version"],
            destination,
            fields=arguments["fields"] or None,
            progress=report,
        )
    except BaseException:
        if aside.exists() and not destination.exists():
            aside.rename(destination)
        raise
    outputs = work.told(_outputs(result, arguments))
    receipts.put(
        Receipt(
            work.job.external_id,
            work.job.owner,
            work.job.revision,
            outputs,
            facts={"files": _digests(destination)},
            place=arguments["to"],
        )
    )
    shutil.rmtree(aside, ignore_errors=True)
    rows = f"{outputs['rows']:,} rows in {len(result.files)} file"
    message = f"{rows}{'s' if len(result.files) != 1 else ''} to {arguments['to']}"
    return Outcome(work.job.external_id, outputs, message)


def _holds(folder: Path, receipt: Receipt) -> bool:
    """Whether a folder has exactly the files that a receipt says, untouched."""
    return folder.is_dir() and _digests(folder) == receipt.facts["files"]


def _digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): file_digest(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _outputs(result: ExportResult, arguments: Any) -> dict[str, Any]:
    files = {name: facts.sha256 for name, facts in sorted(result.files.items())}
    return {
        "path": arguments["to"],
        "dataset": arguments["name"],
        "datasetVersion": arguments["version"],
        "files": files,
        "rows": sum(facts.rows for facts in result.files.values()),
        "digest": digest(files),
    }
