"""The models that one process answers as: a base and its adapters, by label."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from loopwright.serving.embedded.loading import Defaults
from loopwright.serving.embedded.refusals import unknown_model
from loopwright.serving.embedded.tokens import Tokens


@dataclass(frozen=True, slots=True)
class Served:
    """What has to be known of a model to take a call for it."""

    label: str
    tokens: Tokens
    defaults: Defaults
    context: int
    folder: Path
    parent: str | None = None
    """Label of the base that an adapter is put on."""


class Catalog:
    """Replaced as a whole when a model comes or goes, so that no reader sees half of it."""

    def __init__(self, base: Served, *, created: int) -> None:
        """`created` is seconds since 1970, as OpenAI lists a model's age."""
        self._base, self._created = base, created
        self._models: Mapping[str, Served] = MappingProxyType({base.label: base})

    @property
    def base(self) -> Served:
        return self._base

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(self._models)

    def find(self, label: str) -> Served:
        """Raises RefusalError 404 when nothing is served by this name."""
        try:
            return self._models[label]
        except KeyError:
            raise unknown_model(label, self.labels) from None

    def add(self, served: Served) -> None:
        self._models = MappingProxyType({**self._models, served.label: served})

    def remove(self, label: str) -> None:
        self._models = MappingProxyType(
            {name: served for name, served in self._models.items() if name != label}
        )

    @property
    def listed(self) -> dict[str, object]:
        """The body of GET /v1/models, in vLLM's form: an adapter names its parent."""
        return {
            "object": "list",
            "data": [
                {
                    "id": served.label,
                    "object": "model",
                    "created": self._created,
                    "owned_by": "loopwright",
                    "root": str(served.folder),
                    "parent": served.parent,
                    "max_model_len": served.context,
                }
                for served in self._models.values()
            ],
        }
