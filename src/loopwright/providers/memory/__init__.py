"""The `memory` provider: every kind in a fake cloud that can be slow, wrong or killed at will.

The reference for the adapter contract, and the double that everything else is tested with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from pydantic import BaseModel

from loopwright.providers.base import (
    Adapter,
    Capabilities,
    Idempotency,
    Provider,
    ProviderContext,
)
from loopwright.providers.memory.connection import Connection

if TYPE_CHECKING:
    from loopwright.providers.memory.world import World

_KINDS = (
    "BatchInference",
    "CallImport",
    "Dataset",
    "Delivery",
    "Endpoint",
    "EvalRun",
    "Export",
    "FineTuneJob",
    "Lake",
    "Model",
)
_NAMING_BASES = ("Endpoint", "FineTuneJob")
_WRITE_ONLY = {"Lake": frozenset({"masterKey"})}


class MemoryProvider:
    """Adapters over one world."""

    def __init__(self, world: World, adapters: Mapping[str, Adapter]) -> None:
        self.world = world
        self.adapters = adapters

    def close(self) -> None:
        self.world.close()


class MemoryFactory:
    """Builds memory providers; of those without a world file, each has a world of its own.

    Tests hand in a world instead, to look at it and to meddle with it.
    """

    connection: type[BaseModel] = Connection
    capabilities: Mapping[str, Capabilities] = {
        kind: Capabilities(
            idempotency=Idempotency.TOKEN,
            write_only=_WRITE_ONLY.get(kind, frozenset()),
            estimates_planned=kind == "FineTuneJob",
        )
        for kind in _KINDS
    }

    def __init__(self, world: World | None = None) -> None:
        self._world = world

    def build(self, context: ProviderContext) -> Provider:
        """Raises PermanentError when the world file cannot be read."""
        from loopwright.providers.memory.adapter import MemoryAdapter, PinningAdapter
        from loopwright.providers.memory.cloud import Cloud
        from loopwright.providers.memory.faults import Faults
        from loopwright.providers.memory.world import World

        settings = Connection.model_validate(context.connection)
        path = context.project_dir / settings.world if settings.world else None
        world = self._world or World(path)
        faults = Faults(settings.faults, world=world, clock=context.clock, provider=context.name)
        cloud = Cloud(world, context.clock, settings, faults, context.prices)
        pinning = _NAMING_BASES if settings.pins else ()
        adapters = {
            kind: (PinningAdapter if kind in pinning else MemoryAdapter)(
                kind, cloud, _as_configured(capabilities, settings)
            )
            for kind, capabilities in self.capabilities.items()
        }
        return MemoryProvider(world, adapters)


def _as_configured(capabilities: Capabilities, settings: Connection) -> Capabilities:
    return replace(
        capabilities,
        idempotency=Idempotency(settings.idempotency),
        settling=timedelta(seconds=settings.faults.list_lag_seconds),
    )


factory = MemoryFactory()
