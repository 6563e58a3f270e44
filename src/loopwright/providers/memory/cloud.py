"""The fake cloud as one configured provider meets it, and how it makes new objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from loopwright.clock import Clock
from loopwright.hashing import sha256_hex
from loopwright.providers.base import Target
from loopwright.providers.memory import kinds
from loopwright.providers.memory.connection import Connection
from loopwright.providers.memory.contents import Contents, RemoteObject
from loopwright.providers.memory.estimates import population, shortage
from loopwright.providers.memory.faults import Faults
from loopwright.providers.memory.world import World

_PREFIXES = {
    "BatchInference": "bi",
    "CallImport": "ci",
    "Dataset": "ds",
    "Delivery": "dl",
    "Endpoint": "ep",
    "EvalRun": "ev",
    "Export": "ex",
    "FineTuneJob": "ft",
    "Lake": "lk",
    "Model": "md",
}


@dataclass(frozen=True, slots=True)
class Cloud:
    """A world, the time in it, and the settings that say how it behaves."""

    world: World
    clock: Clock
    settings: Connection
    faults: Faults
    prices: Mapping[str, Any] = field(default_factory=dict)

    def now(self) -> float:
        """Seconds since the epoch."""
        return self.clock.now().timestamp()

    def seconds_for(self, kind: str) -> float:
        """How long a new object of a kind is at work."""
        return self.settings.job_seconds.get(kind, 0)

    def new_object(
        self, target: Target, key: str, *, owner: str, contents: Contents
    ) -> RemoteObject:
        """What a create makes, fated by the fault rules; it is not in the world yet."""
        kind, now, settings = target.address.kind, self.now(), self.settings
        making = self.making(target, contents)
        doom, short = self.faults.doom(target), shortage(target, making.population)
        fails = bool(doom or short)
        return RemoteObject(
            id=_new_id(kind, key, contents),
            kind=kind,
            name=kinds.object_name(target),
            owner=owner,
            revision=target.revision,
            key=key,
            spec={**settings.server_defaults.get(kind, {}), **kinds.told(kind, target.spec)},
            outputs={} if fails else kinds.outputs_of(making),
            created_at=now,
            seen_at=now + settings.faults.list_lag_seconds,
            ready_at=now + self.seconds_for(kind),
            ends="failed" if fails else "succeeded",
            transient=bool(short) or (doom is not None and doom.how == "transient"),
            message=short or ("the world made it fail" if doom else ""),
            calls=settings.lake_calls if kind == "Lake" else 0,
        )

    def making(self, target: Target, contents: Contents) -> kinds.Making:
        """What an object is made from, as of now."""
        named = contents.by_name.get((target.address.kind, kinds.object_name(target)), {})
        versions = (int(thing.outputs.get("version", 0)) for thing in named.values())
        return kinds.Making(
            target,
            number=1 + max(versions, default=0),
            population=population(contents, target, self.now()) or 0,
            score=self.settings.scores.get(target.address.name),
        )


def _new_id(kind: str, key: str, contents: Contents) -> str:
    """Decided by the key alone, unless the cloud is made to do the same thing twice."""
    first = f"mem-{_PREFIXES[kind]}-{sha256_hex(key.encode())[:12]}"
    found, twin = first, 1
    while found in contents.objects:
        twin += 1
        found = f"{first}-{twin}"
    return found
