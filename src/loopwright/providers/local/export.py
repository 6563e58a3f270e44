"""The Export adapter: a dataset version to a folder."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Any

from loopwright.errors import PermanentError
from loopwright.hashing import digest
from loopwright.lake.disk import Disk
from loopwright.providers.base import (
    Estimate,
    LastRun,
    Observed,
    Operation,
    Opinion,
    Range,
    Resolved,
    Target,
)
from loopwright.providers.local.job_adapter import JobAdapter, refusal
from loopwright.providers.local.receipts import Receipt, Receipts, exports_of
from loopwright.providers.local.refusing import elsewhere, explained

_OFFERED = (
    "here an Export copies a dataset version to a folder: source: {dataset: ...}, to: {path: ...}"
)


class ExportAdapter(JobAdapter):
    """Exports; the external id is the folder and a mark of what was put there."""

    def receipts(self, target: Target) -> Receipts:
        """Apart from the files: in an exported folder lies what was exported, and nothing else."""
        del target
        return exports_of(self.places)

    def is_there(self, receipt: Receipt) -> bool:
        """Whether every exported file is; what is in them is looked at before replacing them."""
        folder = self.places.path(receipt.place)
        return all((folder / name).is_file() for name in receipt.facts["files"])

    def place_of(self, external_id: str) -> str:
        return external_id.rpartition("@")[0]

    def create(self, target: Target, key: str) -> Operation:
        """Begin to copy. Files that are not ours at the destination make it fail."""
        with explained(target.address, "create"):
            source, place = _source(target), target.spec["to"]["path"]
            fields = list(target.spec.get("fields", ()))
            mark = digest([source.digest, fields]).removeprefix("sha256:")[:8]
            return self.begin(
                target,
                key,
                task="export",
                external_id=f"{place}@{mark}",
                arguments={**_version(source), "to": place, "fields": fields},
            )

    def delete(self, target: Target, observed: Observed, key: str) -> Operation:
        """Remove the files that were exported, and the folder when nothing else is in it."""
        place, receipts = self.place_of(observed.external_id), self.receipts(target)
        with explained(target.address, "delete"):
            found = receipts.get(place)
            if found and found.external_id == observed.external_id:
                folder = self.places.path(place)
                for name in found.facts["files"]:
                    Disk().discard(folder / name)
                if folder.is_dir() and not any(folder.iterdir()):
                    folder.rmdir()
                receipts.remove(place)
        return Operation(key, external_id=observed.external_id)

    def estimate(self, target: Target, last: LastRun | None) -> Estimate:
        """As many rows as the version has."""
        del last
        rows = _source(target).outputs.get("rows")
        return Estimate(rows=Range.exact(rows)) if rows is not None else Estimate()

    def check(self, target: Target) -> Iterable[Opinion]:
        """Whether this export is one that the local provider makes."""
        source, to = target.spec["source"], target.spec["to"]
        path = to.get("path", "")
        if "dataset" not in source or not path or "://" in path:
            what = next(iter(source)) if "dataset" not in source else next(iter(to))
            named = f"to {path}" if "://" in path else f"of or to {what}"
            yield refusal(
                target,
                f"provider {target.spec['provider']} is local and makes no export {named}",
                _OFFERED + elsewhere("Export"),
            )


def _source(target: Target) -> Resolved:
    """Raises PermanentError when the dataset is not one of a local provider."""
    found = target.inputs.get("source.dataset")
    if found is None or "path" not in found.outputs:
        raise PermanentError(
            f"cannot export for {target.address}: its dataset has no version on this machine",
            address=str(target.address),
            hint="apply the Dataset first, with a Provider of type local",
        )
    return found


def _version(source: Resolved) -> dict[str, Any]:
    """Which version, and the datasets folder that it lies in."""
    return {
        "name": source.outputs["name"],
        "version": source.outputs["version"],
        "datasets": str(PurePosixPath(source.outputs["path"]).parent.parent),
    }
