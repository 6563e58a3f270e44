"""A configured local provider: its adapters, its opinion of this machine, and its data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loopwright.gateway.settings import Role as CallerRole
from loopwright.providers.base import Adapter, Opinion, ProviderContext
from loopwright.providers.local import factory
from loopwright.providers.local.batch_inference import BatchInferenceAdapter
from loopwright.providers.local.call_import import CallImportAdapter
from loopwright.providers.local.dataset import DatasetAdapter
from loopwright.providers.local.delivery import DeliveryAdapter
from loopwright.providers.local.endpoint import EndpointAdapter
from loopwright.providers.local.eval_run import EvalRunAdapter
from loopwright.providers.local.export import ExportAdapter
from loopwright.providers.local.fine_tune_job import FineTuneJobAdapter
from loopwright.providers.local.lake import LakeAdapter
from loopwright.providers.local.lake_place import is_made_here, open_lake
from loopwright.providers.local.model import ModelAdapter
from loopwright.providers.local.object_store import StoreAccess
from loopwright.providers.local.permission import must_be
from loopwright.providers.local.places import Places
from loopwright.providers.local.serving import Serving

_OPENING = {
    CallerRole.READER: "look at a lake",
    CallerRole.STANDARD: "open the text of calls",
    CallerRole.ADMIN: "erase calls or rotate keys",
}

if TYPE_CHECKING:
    from loopwright.lake.keys import Role
    from loopwright.lake.store import Lake
    from loopwright.models.bases import Base
    from loopwright.models.registry import Registry
    from loopwright.models.version import ModelVersion
    from loopwright.providers.local.erasing import LocalErasing
    from loopwright.providers.local.lake_keys import Rotated


class LocalProvider:
    """Adapters over the folders of one project and environment."""

    def __init__(self, context: ProviderContext) -> None:
        able, self.places = factory.capabilities, Places.of(context)
        self.name = context.name
        self.adapters: Mapping[str, Adapter] = {
            "Lake": LakeAdapter(self.places, able["Lake"]),
            "CallImport": CallImportAdapter(self.places, able["CallImport"]),
            "Dataset": DatasetAdapter(self.places, able["Dataset"]),
            "Export": ExportAdapter(self.places, able["Export"], StoreAccess.of(context)),
            "Model": ModelAdapter(self.places, able["Model"]),
            "FineTuneJob": FineTuneJobAdapter(self.places, able["FineTuneJob"]),
            "BatchInference": BatchInferenceAdapter(self.places, able["BatchInference"]),
            "EvalRun": EvalRunAdapter(self.places, able["EvalRun"]),
            "Endpoint": EndpointAdapter(self.places, able["Endpoint"]),
            "Delivery": DeliveryAdapter(self.places, able["Delivery"]),
        }

    @property
    def datasets(self) -> Path:
        """The folder of its dataset versions; for the data commands."""
        return self.places.datasets

    @property
    def models(self) -> Registry:
        """Its model registry; for the data commands."""
        from loopwright.providers.local.registered import registry_of

        return registry_of(self.places)

    def base_of(self, version: ModelVersion) -> Base:
        """The base that a registered adapter is put on; for `models export`. Raises ModelError."""
        from loopwright.models.served import base_of

        places = self.places
        return base_of(
            version,
            registry=self.models,
            project=places.project,
            environ=places.environ,
            download=True,
        )

    def open_lake(
        self, storage: str, outputs: Mapping[str, Any], *, role: Role, only_adds: bool = False
    ) -> Lake:
        """A recorded lake, by its external id and outputs; for the data commands.

        One that is only added to may be opened in any role. Raises LakeError when there is none,
        LakeKeyError on a missing or wrong master key, NotAllowedError when the role is more than
        that of whoever acts.
        """
        least = CallerRole.READER if only_adds else CallerRole(role.value)
        must_be(least, _OPENING[least], self.places)
        return open_lake(storage, outputs["masterKey"], self.places, role=role)

    def rotate_lake(
        self, storage: str, *, old: Mapping[str, str], new: Mapping[str, str]
    ) -> Rotated:
        """Put a lake under another master key; for `lake rotate`. Raises LakeKeyError."""
        from loopwright.providers.local.lake_keys import rotate

        return rotate(self.places, storage, old=old, new=new)

    def renew_key(self, key: Mapping[str, str]) -> None:
        """Renew a master key that was made here; for `erase`. Raises LakeError."""
        from loopwright.providers.local.lake_keys import renew

        renew(self.places, key)

    def may_renew_key(self, key: Mapping[str, str]) -> bool:
        """Whether the key was made here; one of the user's own is not ours to change."""
        return is_made_here(key, self.places)

    @property
    def erasing(self) -> LocalErasing:
        """Erasing what is kept here beside lakes; for `erase`."""
        from loopwright.providers.local.erasing import LocalErasing

        return LocalErasing(self.places)

    def preflight(self) -> Iterable[Opinion]:
        from loopwright.providers.local import daemon_preflight, preflight

        yield from preflight.findings(self.name, self.places)
        yield from daemon_preflight.findings(Serving(self.places))

    def close(self) -> None:
        """Nothing is held open: jobs live on by themselves."""
