"""The Export adapter: a version or a query to an inference dataset, a folder or an object store."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from loopwright.disk import Disk
from loopwright.errors import LoopwrightError
from loopwright.hashing import digest
from loopwright.providers.base import (
    Capabilities,
    Estimate,
    LastRun,
    Observed,
    Operation,
    Opinion,
    Range,
    Target,
)
from loopwright.providers.local.export_sources import (
    dataset_source,
    lake_of_version,
    query_source,
    version_of,
)
from loopwright.providers.local.job_adapter import JobAdapter, refusal
from loopwright.providers.local.object_store import StoreAccess
from loopwright.providers.local.places import Places
from loopwright.providers.local.receipts import Receipt, Receipts, exports_of
from loopwright.providers.local.recipes import recipe_spec
from loopwright.providers.local.refusing import elsewhere, explained

_OFFERED = "here an Export goes to: {inferenceDataset: ...}, or to: {path: ...}, a folder or s3://"


class ExportAdapter(JobAdapter):
    """Exports; the external id is the place and a mark of what was put there."""

    def __init__(self, places: Places, capabilities: Capabilities, store: StoreAccess) -> None:
        super().__init__(places, capabilities)
        self._store = store

    def receipts(self, target: Target) -> Receipts:
        """Apart from the files: in an exported folder lies what was exported, and nothing else."""
        del target
        return exports_of(self.places)

    def is_there(self, receipt: Receipt) -> bool:
        """Whether all of it is; what is in files is looked at before they are replaced."""
        if "://" in receipt.place:
            return bool(self._prefix(receipt).holds())
        folder = self.places.path(receipt.place)
        if "masterKey" in receipt.outputs:
            return (folder / "lake.json").is_file()
        return all((folder / name).is_file() for name in receipt.facts["files"])

    def place_of(self, external_id: str) -> str:
        return external_id.rpartition("@")[0]

    def create(self, target: Target, key: str) -> Operation:
        """Begin to write. What is not ours at the destination makes it fail."""
        with explained(target.address, "create"):
            source, fields = self._source(target), list(target.spec.get("fields", ()))
            place = self._place(target)
            whole = target.spec["source"].get("inferenceDataset")
            return self.begin(
                target,
                key,
                task="export",
                external_id=f"{place}@{_mark_of(target, source, fields)}",
                arguments={
                    **source,
                    "to": place,
                    "inferenceDataset": target.spec["to"].get("inferenceDataset", ""),
                    "fields": fields,
                    "name": whole or target.address.name,
                    "store": asdict(self._store),
                },
            )

    def delete(self, target: Target, observed: Observed, key: str) -> Operation:
        """Remove what was exported, and its folder when nothing else is in it."""
        place, receipts = self.place_of(observed.external_id), self.receipts(target)
        with explained(target.address, "delete"):
            found = receipts.get(place)
            if found and found.external_id == observed.external_id:
                self._remove(found)
                receipts.remove(place)
        return Operation(key, external_id=observed.external_id)

    def estimate(self, target: Target, last: LastRun | None) -> Estimate:
        """As many rows as the version has, or as the query gives with the metadata key alone."""
        del last
        if "dataset" in target.spec["source"]:
            rows = dataset_source(target).outputs.get("rows")
            return Estimate(rows=Range.exact(rows)) if rows is not None else Estimate()
        from loopwright.providers.local.export_estimate import estimate_of

        with explained(target.address, "estimate"):
            return estimate_of(query_source(target, self.places), self.places, only=_needed(target))

    def opinions(self, target: Target) -> Iterable[Opinion]:
        """Whether this export is one that the local provider makes."""
        source, to = target.spec["source"], target.spec["to"]
        where = to.get("path", "a dataset of a provider")
        if "providerDataset" in to or ("://" in where and not where.startswith("s3://")):
            told = f"provider {target.spec['provider']} is local and exports nothing to {where}"
            yield refusal(target, told, _OFFERED + elsewhere("Export"))
        if "template" in source:
            try:
                self._check_template(source)
            except LoopwrightError as error:
                yield refusal(target, error.message, error.hint or "")
                return
        fields, known = target.spec.get("fields", ()), _known_fields(target)
        if known is not None and (unknown := sorted(set(fields).difference(known))):
            told = f"what it exports has no field {unknown[0]}"
            yield refusal(target, told, f"its fields are {', '.join(known)}")
        elif "dataset" not in source:
            yield from self._check_query(target)

    def _check_query(self, target: Target) -> Iterable[Opinion]:
        """Once there is the lake: which columns there are is for a query over it to say."""
        from loopwright.providers.local.export_estimate import problem_of

        try:
            query = query_source(target, self.places)
        except LoopwrightError:
            return
        if problem := problem_of(query, self.places, only=_needed(target)):
            yield refusal(target, problem.message, problem.hint or "")

    def _check_template(self, source: Mapping[str, Any]) -> None:
        from loopwright.lake.sql.templates import Templates

        template = Templates(self.places.project / "queries").get(source["template"])
        given = source.get("parameters", {})
        template.values({name: str(value) for name, value in given.items()})

    def _source(self, target: Target) -> dict[str, Any]:
        """What the job is to read, as its arguments have it."""
        if "dataset" not in target.spec["source"]:
            return {"query": asdict(query_source(target, self.places))}
        found = dataset_source(target)
        into_lake = "inferenceDataset" in target.spec["to"]
        lake = {"lake": lake_of_version(found, self.places)} if into_lake else {}
        return {"version": version_of(found), **lake}

    def _place(self, target: Target) -> str:
        to = target.spec["to"]
        if name := to.get("inferenceDataset"):
            return self.places.text(self.places.inference / name)
        return str(to["path"])

    def _remove(self, receipt: Receipt) -> None:
        if "://" in receipt.place:
            self._prefix(receipt).remove()
            return
        from loopwright.lake.exports.folders import clear_stagings

        folder = self.places.path(receipt.place)
        if "masterKey" in receipt.outputs:
            shutil.rmtree(folder, ignore_errors=True)
            return
        clear_stagings(folder)
        for name in receipt.facts["files"]:
            Disk().discard(folder / name)
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()

    def _prefix(self, receipt: Receipt) -> Any:
        from loopwright.lake.exports.objects import Prefix

        return Prefix.at(
            receipt.place,
            self._store.open(self.places),
            owner=receipt.facts["owner"],
            mark=_mark(receipt),
        )


def _known_fields(target: Target) -> tuple[str, ...] | None:
    """Those that it may pick from; None where that is for a query to say."""
    if "inferenceDataset" in target.spec["to"]:
        from loopwright.lake.columns import COLUMNS

        return tuple(COLUMNS)
    made = target.inputs.get("source.dataset")
    if made is None or not made.spec:
        return None
    from loopwright.lake.datasets.recipe import Recipe
    from loopwright.lake.datasets.sft_schemas import SCHEMAS

    return tuple(SCHEMAS[Recipe.from_spec(recipe_spec(made.spec)).line_format]["properties"])


def _needed(target: Target) -> tuple[str, ...] | None:
    """Columns that the result of a query must have."""
    if "inferenceDataset" in target.spec["to"]:
        return ("call_id",)
    return tuple(target.spec.get("fields", ())) or None


def _mark(receipt: Receipt) -> str:
    return receipt.external_id.rpartition("@")[2]


def _mark_of(target: Target, source: Mapping[str, Any], fields: list[str]) -> str:
    """Equal for the same version and fields; of a query, every revision has its own."""
    if "dataset" in target.spec["source"]:
        told: list[Any] = [dataset_source(target).digest, fields]
    else:
        told = [source["query"]["query"], source["query"]["parameters"], fields, target.revision]
    return digest(told).removeprefix("sha256:")[:8]
