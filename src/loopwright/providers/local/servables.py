"""Which model of this machine an endpoint serves: found, verified, and said for the daemon.

Nothing is loaded; torch is not imported.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from loopwright.daemon.served import Bounds, ServedModel
from loopwright.errors import ModelError, ServingError
from loopwright.models.bases import Base, pin, resolve
from loopwright.models.imprint import Imprint
from loopwright.models.registry import Registry
from loopwright.models.served import Servable, servable
from loopwright.models.version import ModelVersion
from loopwright.providers.base import Opinion, Target
from loopwright.providers.local.base_opinions import base_opinions
from loopwright.providers.local.job_adapter import refusal
from loopwright.providers.local.own_runtime import size
from loopwright.providers.local.places import Places
from loopwright.providers.local.registered import registry_of
from loopwright.resources.durations import parse_duration
from loopwright.serving.extra import check_extra

_PATHS = ("model.model", "model.fineTuneJob")


@dataclass(frozen=True, slots=True)
class Servables:
    """The models that endpoints of one provider may serve."""

    places: Places

    def of(self, target: Target) -> ServedModel:
        """Raises ModelError: not there, not whole, tampered with, or not what state records."""
        found = self._base(target) or self._registered(target)
        model = servable(
            found,
            registry=self._registry,
            project=self.places.project,
            environ=self.places.environ,
            download=True,
        )
        return self._told(model, found)

    def pins(self, target: Target) -> dict[str, str]:
        """What `model.base` stands for. Raises ModelError when it stands for nothing."""
        reference = target.spec["model"].get("base")
        if not reference:
            return {}
        found = pin(
            reference,
            project=self.places.project,
            environ=self.places.environ,
            pins=self._registry.pins,
        )
        return {"model.base": found}

    def opinions(self, target: Target) -> Iterator[Opinion]:
        """Errors where this installation cannot compute models, or the base is none."""
        try:
            if not target.spec.get("runtime"):
                check_extra()
        except ServingError as error:
            yield refusal(target, error.message, error.hint or "")
        model = target.spec["model"]
        if base := model.get("base"):
            trusted = bool(model.get("trustRemoteCode"))
            yield from base_opinions(target, base, self.places, path="model.base", trusted=trusted)

    @property
    def _registry(self) -> Registry:
        return registry_of(self.places)

    def _base(self, target: Target) -> Base | None:
        reference = target.spec["model"].get("base")
        if not reference:
            return None
        return resolve(
            reference,
            project=self.places.project,
            environ=self.places.environ,
            pins=self._registry.pins,
            trust_remote_code=bool(target.spec["model"].get("trustRemoteCode")),
            download=True,
        )

    def _registered(self, target: Target) -> ModelVersion:
        pointed = next(target.inputs[path] for path in _PATHS if path in target.inputs)
        outputs = pointed.outputs
        if "model" not in outputs or "version" not in outputs:
            raise ModelError(
                f"{pointed.address} has no model yet", hint="apply again once it has made one"
            )
        found = self._registry.get(outputs["model"], int(outputs["version"]))
        if outputs.get("digest", found.digest) != found.digest:
            raise ModelError(
                f"{found.label} is not the model that {pointed.address} made: its digest is "
                f"{found.digest[:19]}, and {outputs['digest'][:19]} is recorded",
                hint="bring the registry's folder back as it was, or run the job again",
            )
        return found

    def _told(self, model: Servable, found: Base | ModelVersion) -> ServedModel:
        text = self.places.text
        base = model.label
        if model.adapter and isinstance(found, ModelVersion) and found.base:
            base = found.base.reference
        return ServedModel(
            label=model.label,
            digest=model.digest,
            weights=text(model.weights),
            weights_digest=model.weights_digest,
            base=base,
            adapter=text(model.adapter) if model.adapter else None,
            trust_remote_code=model.trust_remote_code,
            bounds=self._bounds,
            imprint=self._told_imprint(model.imprint),
            adapter_imprint=self._told_imprint(model.adapter_imprint),
        )

    def _told_imprint(self, found: Imprint) -> Imprint:
        if not found.remembered:
            return found
        return replace(found, remembered=self.places.text(Path(found.remembered)))

    @property
    def _bounds(self) -> Bounds:
        said = self.places.settings.runtime
        return Bounds(
            threads=said.threads,
            max_batch=said.max_batch,
            memory_bytes=size(said.memory),
            idle_seconds=parse_duration(said.idle_unload),
            device=said.device,
        )


def is_own(spec: Mapping[str, Any]) -> bool:
    """Whether an endpoint's model is one of ours, and not behind somebody's server."""
    return "upstream" not in spec["model"]
