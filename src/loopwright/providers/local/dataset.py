"""The Dataset adapter: versions sampled from a lake, each a folder with a manifest."""

from __future__ import annotations

from collections.abc import Iterable

from loopwright.errors import DatasetError, PermanentError
from loopwright.providers.base import (
    Estimate,
    LastRun,
    Observed,
    Operation,
    Opinion,
    Target,
)
from loopwright.providers.local.job_adapter import JobAdapter, refusal
from loopwright.providers.local.receipts import Receipt, Receipts
from loopwright.providers.local.recipes import (
    RECEIPTS,
    dataset_name,
    recipe_spec,
    series_owner,
    source_lake,
)
from loopwright.providers.local.refusing import elsewhere, explained


class DatasetAdapter(JobAdapter):
    """Dataset versions; the external id is `name@vN`."""

    def receipts(self, target: Target) -> Receipts:
        """Beside the versions, so that they move together."""
        del target
        return Receipts(self.places.datasets / RECEIPTS)

    def is_there(self, receipt: Receipt) -> bool:
        """A version is one while its manifest is in place."""
        return self._has(receipt.external_id)

    def create(self, target: Target, key: str) -> Operation:
        """Begin to build the next version. Raises PermanentError when the name is another's."""
        from loopwright.lake.datasets.catalog import Catalog
        from loopwright.lake.datasets.held_out import HeldOut
        from loopwright.providers.local.held_out_sets import held_out_files, not_held_against

        name, owner = dataset_name(target), series_owner(target)
        with explained(target.address, "create"):
            catalog = Catalog(self.places.datasets)
            _refuse_foreign(target, name, owner=owner, holder=catalog.owner(name))
            files = held_out_files(target, self.places)
            kept = {name: HeldOut(catalog).keep(path) for name, path in files.items()}
            return self.begin(
                target,
                key,
                task="dataset",
                external_id=f"{name}@v{catalog.next_version(name)}",
                arguments={
                    "lake": source_lake(target),
                    "name": name,
                    "owner": owner,
                    "recipe": recipe_spec(target.spec) | {"heldOut": kept},
                    "notHeldAgainst": not_held_against(target, self.places),
                },
            )

    def delete(self, target: Target, observed: Observed, key: str) -> Operation:
        """Remove every version that this resource made; their numbers stay used."""
        from loopwright.lake.datasets.catalog import Catalog

        with explained(target.address, "delete"):
            catalog = Catalog(self.places.datasets)
            receipts = self.receipts(target)
            ours = {found.external_id for found in receipts.owned(target.owner)}
            for external_id in sorted(ours | {observed.external_id}):
                name, _, number = external_id.rpartition("@v")
                if self._has(external_id):
                    owner = catalog.owner(name) or target.owner
                    _refuse_foreign(target, name, owner=series_owner(target), holder=owner)
                    catalog.remove(name, int(number), owner=owner)
                receipts.remove(external_id)
        return Operation(key, external_id=observed.external_id)

    def adopt(self, target: Target, observed: Observed, key: str) -> Operation:
        """Take the whole series over: its name, and every version of it."""
        from loopwright.lake.datasets.catalog import Catalog

        operation = super().adopt(target, observed, key)
        with explained(target.address, "adopt"):
            catalog, name = Catalog(self.places.datasets), dataset_name(target)
            holder = catalog.owner(name)
            if holder is not None and holder != series_owner(target):
                with catalog.held(name, owner=holder):
                    catalog.commit(catalog.load(name), owner=series_owner(target))
        return operation

    def estimate(self, target: Target, last: LastRun | None) -> Estimate:
        """Counted in the lake with the metadata key alone; no text is opened."""
        from loopwright.providers.local.dataset_estimate import estimate_of

        with explained(target.address, "estimate"):
            return estimate_of(target, self.places, last=last)

    def opinions(self, target: Target) -> Iterable[Opinion]:
        """Datasets are sampled from a lake here, or from what an Export has put beside it."""
        named = target.spec["source"].get("inferenceDataset")
        if named and "source.inferenceDataset" not in target.inputs:
            yield refusal(
                target,
                f"no Export of these manifests makes the inference dataset {named}",
                f"declare an Export with to: {{inferenceDataset: {named}}}, or write "
                "source: {lake: NAME}" + elsewhere("Dataset"),
            )
        if where := target.spec.get("filter", {}).get("where"):
            from loopwright.lake.datasets.condition import Condition

            try:
                Condition(where)
            except DatasetError as error:
                yield refusal(target, error.message, error.hint or "")

    def _has(self, external_id: str) -> bool:
        name, at, number = external_id.rpartition("@v")
        manifest = self.places.datasets / name / f"v{number}" / "manifest.json"
        return bool(at) and manifest.is_file()


def _refuse_foreign(target: Target, name: str, *, owner: str, holder: str | None) -> None:
    if holder not in (None, owner):
        raise PermanentError(
            f"the dataset {name} belongs to {holder}",
            address=str(target.address),
            hint="take a name that nobody owns in spec.target.new, or add a version to it "
            "with spec.target.versionOf",
        )
