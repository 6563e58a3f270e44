"""The export task: a version or what a query finds, in place of what we put there before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from loopwright.errors import SqlError
from loopwright.hashing import digest
from loopwright.lake.datasets.catalog import Catalog
from loopwright.lake.exports.exporting import (
    Destination,
    ExportProgress,
    ExportResult,
    export_rows,
    export_version,
)
from loopwright.lake.exports.folders import Folder
from loopwright.lake.exports.inference import Chosen, InferenceDataset, make, taken
from loopwright.lake.exports.objects import Prefix
from loopwright.lake.keys import Role
from loopwright.lake.sql.request import Limits
from loopwright.lake.sql.rows import json_lines
from loopwright.lake.store import Lake
from loopwright.providers.base import Progress
from loopwright.providers.local.export_sources import QuerySource
from loopwright.providers.local.lake_place import open_lake
from loopwright.providers.local.object_store import StoreAccess
from loopwright.providers.local.receipts import Receipt, exports_of
from loopwright.providers.local.replacing import digests, made_way
from loopwright.providers.local.tasks import Outcome

if TYPE_CHECKING:
    from loopwright.providers.local.worker import Work

_ONE_ORDER = Limits(seconds=None, threads=1)
"""As long as it takes; with one thread, rows come in one order."""
_ABOUT_VALUES = ("Conversion Error", "Invalid Input Error", "Out of Range Error")


def run(work: Work) -> Outcome:
    """Export whole or not at all. Raises DatasetError over files that are not ours."""
    place = work.arguments["to"]
    if work.arguments["inferenceDataset"]:
        return _told_of_calls(work, _into_lake(work))
    if "://" in place:
        result, text_of = _exported(work, _prefix(work))
        return _told(work, result, files={}, text_of=text_of)
    folder = work.places.path(place)
    known = exports_of(work.places).get(place)
    with made_way(folder, known, owner=work.job.owner):
        result, text_of = _exported(work, Folder(folder))
        return _told(work, result, files=digests(folder), text_of=text_of)


def _prefix(work: Work) -> Prefix:
    store = StoreAccess(**work.arguments["store"]).open(work.places)
    mark = work.job.external_id.rpartition("@")[2]
    return Prefix.at(work.arguments["to"], store, owner=work.job.owner, mark=mark)


def _exported(work: Work, destination: Destination) -> tuple[ExportResult, str]:
    """What was put there, and the storage of the lake whose text a query opened for it, or ""."""
    arguments = work.arguments
    fields = arguments["fields"] or None

    def report(progress: ExportProgress) -> None:
        work.report(Progress(progress.copied, progress.total, "rows"))

    if "version" in arguments:
        version = arguments["version"]
        result = export_version(
            Catalog(work.places.path(version["datasets"])),
            version["name"],
            version["version"],
            destination,
            fields=fields,
            progress=report,
        )
        return result, ""
    source = QuerySource(**arguments["query"])
    with (
        _told_without_values(),
        source.asked(
            work.places, role=Role.STANDARD, limits=_ONE_ORDER, cut=_cut(work), only=fields
        ) as answer,
    ):
        rows = json_lines(answer.schema, answer.batches())
        result = export_rows(arguments["name"], rows, destination, progress=report)
        return result, source.lake["storage"] if answer.opened_text else ""


def _into_lake(work: Work) -> InferenceDataset:
    """An inference dataset of the calls that a version has lines of, or that a query finds."""
    arguments = work.arguments
    root, lake = work.places.path(arguments["to"]), _lake(work)

    def settle() -> dict[str, Any]:
        """What lies there once this is settled is of an attempt of this very job."""
        known = exports_of(work.places).get(arguments["to"])
        if root.exists() and not (known and known.owner == work.job.owner):
            raise taken(root)
        return {"cut": lake.snapshot().cut}

    def report(done: int, total: int) -> None:
        work.report(Progress(done, total, "rows"))

    cut = work.claim(settle)["cut"]
    chosen = Chosen(lake, cut, _call_ids(work), arguments["fields"] or None)
    purpose = f"export to {arguments['inferenceDataset']}"
    lake.disk.make_folders(root.parent)
    return make(chosen, root, purpose=purpose, replaces=True, progress=report)


def _call_ids(work: Work) -> list[str]:
    arguments = work.arguments
    if "version" in arguments:
        version = arguments["version"]
        catalog = Catalog(work.places.path(version["datasets"]))
        manifest = catalog.load(version["name"], version["version"])
        return [line.call_id for line in catalog.lines_left(manifest)]
    source = QuerySource(**arguments["query"])
    with (
        _told_without_values(),
        source.asked(
            work.places, role=Role.STANDARD, limits=_ONE_ORDER, cut=_cut(work), only=("call_id",)
        ) as answer,
    ):
        found = (batch.column("call_id").to_pylist() for batch in answer.batches())
        return list(dict.fromkeys(call_id for ids in found for call_id in ids if call_id))


def _lake(work: Work) -> Lake:
    named = work.arguments["lake"] if "lake" in work.arguments else work.arguments["query"]["lake"]
    return open_lake(named["storage"], named["key"], work.places, role=Role.STANDARD)


def _cut(work: Work) -> int:
    """Up to where the lake is read; the first attempt settles it for all."""

    def settle() -> dict[str, Any]:
        return {"cut": _lake(work).snapshot().cut}

    return int(work.claim(settle)["cut"])


@contextmanager
def _told_without_values() -> Iterator[None]:
    """DuckDB quotes the value that it failed on, and captured text never reaches a log."""
    try:
        yield
    except SqlError as error:
        if any(kind in error.message for kind in _ABOUT_VALUES):
            raise SqlError(
                "the query failed on a value that it read",
                hint="`loopwright sql` shows which, to who may see it",
            ) from None
        raise


def _told(work: Work, result: ExportResult, *, files: dict[str, str], text_of: str) -> Outcome:
    """`files` are those of a folder, by which it is known again before it is replaced; `text_of`
    tells an erasure whether anybody's text may lie in them."""
    arguments = work.arguments
    hashes = {name: facts.sha256 for name, facts in sorted(result.files.items())}
    rows = sum(facts.rows for name, facts in result.files.items() if name.endswith(".jsonl"))
    version = arguments.get("version")
    named = {"dataset": version["name"], "datasetVersion": version["version"]} if version else {}
    outputs = work.told(
        {
            "path": arguments["to"],
            **named,
            "files": hashes,
            "rows": rows,
            "digest": digest(hashes),
        }
    )
    _remember(work, outputs, {"files": files, "owner": work.job.owner, "textOf": text_of})
    counted = f"{_count(rows, 'row')} in {_count(len(hashes), 'file')}"
    return Outcome(work.job.external_id, outputs, f"{counted} to {arguments['to']}")


def _told_of_calls(work: Work, made: InferenceDataset) -> Outcome:
    """Outputs like a lake's, so that it is read like one."""
    name = work.arguments["inferenceDataset"]
    lake = work.arguments["lake"] if "lake" in work.arguments else work.arguments["query"]["lake"]
    outputs = work.told(
        {
            "inferenceDataset": name,
            "path": work.arguments["to"],
            "id": made.lake_id,
            "masterKey": dict(lake["key"]),
            "rows": made.rows,
            "digest": made.digest,
        }
    )
    _remember(work, outputs, {"files": {}, "owner": work.job.owner})
    message = f"{_count(made.rows, 'call')} to the inference dataset {name}"
    return Outcome(work.job.external_id, outputs, message)


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' if number != 1 else ''}"


def _remember(work: Work, outputs: dict[str, Any], facts: dict[str, Any]) -> None:
    job = work.job
    receipt = Receipt(
        job.external_id, job.owner, job.revision, outputs, facts=facts, place=work.arguments["to"]
    )
    exports_of(work.places).put(receipt)
