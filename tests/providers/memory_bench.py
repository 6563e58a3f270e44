"""Builds memory providers and targets for tests: a fake clock, a world to look into."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from loopwright.clock import FakeClock
from loopwright.providers.base import Operation, ProviderContext, Resolved, Target
from loopwright.providers.memory import Connection, MemoryFactory, MemoryProvider
from loopwright.providers.memory.world import World
from loopwright.resources.address import Address

LINEAGE = "lineage"


class Bench:
    """One provider and its world; `again` builds another over the same, as after a restart."""

    def __init__(self, folder: Path = Path(), **connection: Any) -> None:
        self.clock = FakeClock()
        self.folder = folder
        self.connection = connection
        self.world = World()
        self.provider = self.again()

    def again(self) -> MemoryProvider:
        factory = MemoryFactory(None if "world" in self.connection else self.world)
        context = ProviderContext(
            name="fake",
            connection=Connection.model_validate(self.connection),
            project_dir=self.folder,
            state_dir=self.folder,
            clock=self.clock,
            prices={"currency": "CNY", "trainingPerMillionTokens": 50.0},
        )
        built = factory.build(context)
        assert isinstance(built, MemoryProvider)
        return built

    def adapter(self, kind: str) -> Any:
        return self.provider.adapters[kind]

    def create(self, target: Target, key: str = "key") -> Operation:
        return self.adapter(target.address.kind).create(target, key)

    def poll(self, target: Target, operation: Operation) -> Operation:
        return self.adapter(target.address.kind).poll(target, operation)


def target(kind: str, name: str = "x", **given: Any) -> Target:
    """A target; `inputs` by field path, everything else is spec."""
    inputs, revision = given.pop("inputs", {}), given.pop("revision", None)
    address = Address(kind, name)
    return Target(address, given, f"{LINEAGE}/{address}", inputs, revision=revision)


def resolved(kind: str, name: str, operation: Operation | None = None, **spec: Any) -> Resolved:
    """What a reference to something made earlier is resolved to."""
    if operation is None:
        return Resolved(Address(kind, name), spec=spec)
    return Resolved(
        Address(kind, name),
        external_id=operation.external_id,
        digest=str(operation.outputs.get("digest", "")),
        outputs=operation.outputs,
    )
