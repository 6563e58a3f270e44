"""A runtime of a job's own: serves one registered model for as long as the job asks it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from loopwright.models.served import servable
from loopwright.providers.local.places import Places
from loopwright.providers.local.registered import registry_of
from loopwright.serving.launch import Launched
from loopwright.serving.settings import RuntimeSettings

_UNITS = {"MiB": 1 << 20, "GiB": 1 << 30}
_SIZE = re.compile(r"([0-9]+)(MiB|GiB)")


@contextmanager
def own_runtime(name: str, version: int, places: Places, folder: Path) -> Iterator[Launched]:
    """The model answers, by its label, when the block begins; the process ends with it.

    Raises ModelError when its files are not what was registered, ServingError when it cannot be
    loaded.
    """
    registry, bounds = registry_of(places), places.settings.runtime
    model = servable(
        registry.get(name, version),
        registry=registry,
        project=places.project,
        environ=places.environ,
        download=True,
    )
    folder.mkdir(parents=True, exist_ok=True)
    label = f"{model.label} base" if model.adapter else model.label
    settings = RuntimeSettings(
        weights=model.weights,
        label=label,
        announce=folder / "announced.json",
        adapters={model.label: model.adapter} if model.adapter else {},
        threads=bounds.threads,
        max_batch=bounds.max_batch,
        memory_bytes=size(bounds.memory),
        device=bounds.device,
        trust_remote_code=model.trust_remote_code,
        imprints={model.label: model.adapter_imprint, label: model.imprint},
    )
    with Launched(settings, folder=folder, environ=places.environ or None) as launched:
        launched.wait()
        yield launched


def size(text: str | None) -> int | None:
    """Bytes in `512MiB` or `8GiB`."""
    found = _SIZE.fullmatch(text or "")
    return int(found[1]) * _UNITS[found[2]] if found else None
