"""What a runtime needs to serve a model: folders, verified, and the name it answers to."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from loopwright.errors import ModelError
from loopwright.models.bases import Base, resolve
from loopwright.models.digests import Digests
from loopwright.models.imprint import Imprint
from loopwright.models.registry import Registry
from loopwright.models.version import ModelVersion

_LABEL = re.compile(r"[a-z0-9][-a-z0-9]*@[0-9]+")


@dataclass(frozen=True, slots=True)
class Servable:
    """A model on this machine that may be loaded."""

    label: str
    """What clients and records see: `ticket-router@2`, or the base's reference."""
    digest: str
    """Of the model that answers."""
    weights: Path
    """Folder with full weights."""
    weights_digest: str
    """Runtimes are shared by equal ones."""
    adapter: Path | None = None
    """PEFT folder that is put on the weights."""
    trust_remote_code: bool = False
    imprint: Imprint = field(default_factory=Imprint)
    """What the files of `weights` have to be whenever they are loaded."""
    adapter_imprint: Imprint = field(default_factory=Imprint)


def servable(
    model: ModelVersion | Base,
    *,
    registry: Registry,
    project: Path,
    environ: Mapping[str, str],
    download: bool = False,
) -> Servable:
    """What serves a base or a registered model; with `download`, an adapter's base is fetched.

    Raises ModelError: a file was tampered with, or the base is not the one it was made on.
    """
    if isinstance(model, Base):
        return _of(model, registry.digests)
    registry.verify(model, thorough=False)
    if model.kind == "full":
        return _of(_as_base(model), registry.digests)
    base = base_of(model, registry=registry, project=project, environ=environ, download=download)
    return replace(
        _of(base, registry.digests),
        label=model.label,
        digest=model.digest,
        adapter=model.folder,
        adapter_imprint=Imprint.of(model.folder, registry.digests, model.files),
    )


def base_of(
    version: ModelVersion,
    *,
    registry: Registry,
    project: Path,
    environ: Mapping[str, str],
    download: bool = False,
) -> Base:
    """The base that an adapter is put on, sure to be the one it was made on. Raises ModelError."""
    if version.base is None:
        raise ModelError(f"{version.label} has no base model")
    reference = version.base.reference
    if (found := registered(reference, registry)) is not None:
        base = _as_base(found)
    else:
        pinned = f"{reference.partition('@')[0]}@{version.base.revision}"
        base = resolve(
            pinned if version.base.revision else reference,
            project=project,
            environ=environ,
            pins=registry.pins,
            trust_remote_code=version.trust_remote_code,
            download=download,
        )
    if base.digest != version.base.digest:
        raise ModelError(
            f"{version.label} was made on {reference} with digest {version.base.digest[:19]}, "
            f"but that is {base.digest[:19]} now",
            hint="put the base model's files back as they were, or tune again on the new ones",
        )
    return base


def registered(reference: str, registry: Registry) -> ModelVersion | None:
    """The full model of the registry that is named as a base, `NAME@N`; None: another form.

    Raises ModelError when there is no such revision, or it is an adapter or was tampered with.
    """
    if not _LABEL.fullmatch(reference):
        return None
    name, _, number = reference.partition("@")
    found = registry.get(name, int(number))
    if found.kind == "adapter":
        raise ModelError(
            f"{found.label} is an adapter and cannot be the base of another",
            hint="export it merged, import that as a Model, and refer to it",
        )
    registry.verify(found, thorough=False)
    return found


def _as_base(version: ModelVersion) -> Base:
    return Base(
        reference=version.label,
        folder=version.folder,
        revision="",
        digest=version.digest,
        parameters=version.parameters,
        trust_remote_code=version.trust_remote_code,
    )


def _of(base: Base, digests: Digests) -> Servable:
    return Servable(
        label=base.reference,
        digest=base.digest,
        weights=base.folder,
        weights_digest=base.digest,
        trust_remote_code=base.trust_remote_code,
        imprint=Imprint.of(base.folder, digests),
    )
