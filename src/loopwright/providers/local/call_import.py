"""The CallImport adapter: recorded calls from files into a lake."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from loopwright.errors import PermanentError
from loopwright.providers.base import Estimate, LastRun, Observed, Operation, Target
from loopwright.providers.local.job_adapter import JobAdapter, observed_of
from loopwright.providers.local.jobs import job_id
from loopwright.providers.local.lake_place import LakePlace, lake_arguments
from loopwright.providers.local.recorded_files import estimate_lines
from loopwright.providers.local.refusing import explained


class CallImportAdapter(JobAdapter):
    """Imports; what one did is told by a receipt that lies in the lake."""

    def observe(self, target: Target, external_id: str | None) -> Observed | None:
        """There as long as the lake that holds its calls is."""
        with explained(target.address, "observe"):
            place = self._lake(target)
            if place is None or not place.exists:
                return None
            receipts = place.imports
            if external_id is None:
                found = next(receipts.owned(target.owner, target.revision), None)
            else:
                found = receipts.get(external_id)
            return observed_of(found) if found else self.at_work(target, external_id)

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
            return estimate_lines(list(_files(target)))

    def _lake(self, target: Target) -> LakePlace | None:
        found = target.inputs.get("lake")
        named = found.external_id if found else ""
        return LakePlace.of(named, self.places) if named else None


def _files(target: Target) -> Iterator[Path]:
    return ((target.base_dir / name).absolute() for name in target.spec["files"])
