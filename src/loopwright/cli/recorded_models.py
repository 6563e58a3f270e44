"""Models that recorded providers keep on this machine, and what state knows of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from loopwright.cli.acting import acting_project
from loopwright.errors import LoopwrightError
from loopwright.manifests.diagnostics import nearest

if TYPE_CHECKING:
    from loopwright.cli.common import ProjectOptions
    from loopwright.models.bases import Base
    from loopwright.models.registry import Registry
    from loopwright.models.version import ModelVersion
    from loopwright.resources.address import Address
    from loopwright.state.records import Record, Revision


@runtime_checkable
class HoldsModels(Protocol):
    """What a provider that keeps a model registry here offers beside its adapters."""

    @property
    def models(self) -> Registry: ...

    def base_of(self, version: ModelVersion) -> Base: ...


@dataclass(frozen=True, slots=True)
class RecordedModels:
    """Everything of one environment."""

    keepers: tuple[HoldsModels, ...]
    records: Mapping[Address, Record]

    def registries(self) -> Iterator[tuple[HoldsModels, Registry]]:
        """Each registry once, however many providers share it."""
        yield from {keeper.models.root: (keeper, keeper.models) for keeper in self.keepers}.values()

    def names(self) -> Iterator[tuple[Registry, str]]:
        """Every model that has a revision, by name."""
        found = [(one, name) for _, one in self.registries() for name in one.names()]
        for registry, name in sorted(found, key=lambda pair: pair[1]):
            if registry.versions(name):
                yield registry, name

    def version(self, text: str) -> tuple[HoldsModels, ModelVersion]:
        """What `NAME[@REVISION]` means: a number, an alias, by default the newest; also with
        `Model/` or `FineTuneJob/` before it.

        Raises LoopwrightError when there is none.
        """
        bare = text.removeprefix("Model/").removeprefix("FineTuneJob/")
        name, at, label = bare.partition("@")
        if at and not label:
            raise LoopwrightError(f"{text!r} names no revision", hint="write NAME or NAME@2")
        for keeper, registry in self.registries():
            if registry.versions(name):
                return keeper, registry.get(name, label or None)
        near = nearest(name, [known for _, known in self.names()])
        raise LoopwrightError(
            f"there is no model {name!r} on this machine",
            hint=f"did you mean {near}?" if near else "`loopwright models list` lists them",
        )

    def served_by(self, version: ModelVersion) -> list[str]:
        """Endpoints that serve this revision, as state last saw them."""
        return [
            str(address)
            for address, record in sorted(self.records.items())
            if address.kind == "Endpoint"
            and record.outputs.get("modelDigest") == version.digest
            and record.outputs.get("serves", version.label) == version.label
        ]

    def made_by(self, version: ModelVersion) -> tuple[Record, Revision | None] | None:
        """The resource that made it, and its run where it is one; None when state lost it."""
        for address, record in sorted(self.records.items()):
            if address.kind not in ("FineTuneJob", "Model"):
                continue
            for revision in record.revisions:
                if _is(revision.outputs, version):
                    return record, revision
            if _is(record.outputs, version):
                return record, None
        return None


def _is(outputs: Mapping[str, object], version: ModelVersion) -> bool:
    named = (outputs.get("model"), outputs.get("version"))
    return named == (version.name, version.version)


@contextmanager
def recorded_models(options: ProjectOptions) -> Iterator[RecordedModels]:
    """What the recorded providers of the project and environment keep here."""
    from loopwright.engine.pool import ProviderPool

    workspace = options.workspace()
    records = workspace.state().records()
    pool = ProviderPool(workspace, {}, records, project=acting_project(options, workspace))
    try:
        providers = (pool.provider(name) for name in pool.names())
        keepers = tuple(found for found in providers if isinstance(found, HoldsModels))
        yield RecordedModels(keepers, records)
    finally:
        pool.close()
