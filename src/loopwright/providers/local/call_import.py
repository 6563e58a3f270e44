"""The CallImport adapter: recorded calls from files into a lake."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from loopwright.errors import PermanentError
from loopwright.providers.base import Estimate, LastRun, Observed, Operation, Target
from loopwright.providers.local.job_adapter import JobAdapter
from loopwright.providers.local.jobs import job_id
from loopwright.providers.local.lake_place import LakePlace, lake_arguments
from loopwright.providers.local.receipts import Receipt, Receipts
from loopwright.providers.local.recorded_files import estimate_lines
from loopwright.providers.local.refusing import explained


class CallImportAdapter(JobAdapter):
    """Imports; what one did is told by a receipt that lies in the lake."""

    def receipts(self, target: Target) -> Receipts | None:
        """In the lake: there as long as the lake that holds the calls is."""
        found = target.inputs.get("lake")
        if found is None or not found.external_id:
            return None
        place = LakePlace.of(found.external_id, self.places)
        return place.imports if place.exists else None

    def is_there(self, receipt: Receipt) -> bool:
        del receipt
        return True

    def create(self, target: Target, key: str) -> Operation:
        """Begin to import; files that were imported before add nothing."""
        with explained(target.address, "create"):
            return self.begin(
                target,
                key,
                task="call_import",
                external_id=f"import-{job_id(key)}",
                arguments={
                    "lake": lake_arguments(target.inputs.get("lake")),
                    "files": [str(path) for path in _files(target)],
                    "endpoint": target.spec.get("endpoint"),
                    "format": target.spec.get("format", "auto"),
                    "mapping": _mapping(target),
                },
            )

    def delete(self, target: Target, observed: Observed, key: str) -> Operation:
        """Raises PermanentError: calls are in the lake with all others, and go with it."""
        del key
        raise PermanentError(
            f"cannot take the calls of {observed.external_id} out of the lake again",
            address=str(target.address),
            action="delete",
            hint="forget the import, or delete the lake",
        )

    def estimate(self, target: Target, last: LastRun | None) -> Estimate:
        """Lines to read, counted in small files and inferred from the beginning of large ones."""
        del last
        with explained(target.address, "estimate"):
            return estimate_lines(
                list(_files(target)),
                format=target.spec.get("format", "auto"),
                mapping=_mapping(target),
            )


def _mapping(target: Target) -> dict[str, str]:
    """The fields that are said, by name."""
    given = target.spec.get("mapping") or {}
    return {field: path for field, path in given.items() if path is not None}


def _files(target: Target) -> Iterator[Path]:
    return ((target.base_dir / name).absolute() for name in target.spec["files"])
