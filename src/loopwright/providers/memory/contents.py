"""What a world holds, folded from its events: objects, keys, used-up fault rules, the log of calls.

Plain memory; knows nothing of files, locks or time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple


@dataclass(frozen=True, slots=True)
class RemoteObject:
    """One object of the cloud. Moments are seconds since the epoch."""

    id: str
    kind: str
    name: str
    owner: str = ""
    revision: int | None = None
    key: str = ""
    spec: Mapping[str, Any] = field(default_factory=dict)
    outputs: Mapping[str, Any] = field(default_factory=dict)
    """Of a job: what it will have made when it succeeds."""
    created_at: float = 0
    seen_at: float = 0
    """From when on observe sees it."""
    ready_at: float = 0
    """Until then it is at work."""
    ends: str = "succeeded"
    """How its work ends: succeeded, failed or cancelled."""
    transient: bool = False
    message: str = ""
    calls: int = 0
    """Of a lake: recorded calls that it holds, imports apart."""
    canary: Mapping[str, Any] = field(default_factory=dict)
    """Of an endpoint whose model takes over step by step: what it becomes, and by which steps."""

    def status_at(self, now: float) -> str:
        return self.ends if now >= self.ready_at else "running"


class Write(NamedTuple):
    """One mutating call. `effective` is False where it found its work already done."""

    action: str
    address: str
    key: str
    external_id: str
    effective: bool = True


Event = Mapping[str, Any]
"""Any of: put (object), drop (id), write (call), fired (rule) and times, key and made (id)."""


EVENTS = frozenset({"put", "drop", "write", "fired", "key"})


class Contents:
    """Everything that events added up to, with the look-ups that adapters need."""

    def __init__(self) -> None:
        self.objects: dict[str, RemoteObject] = {}
        self.by_kind: dict[str, dict[str, RemoteObject]] = {}
        self.by_owner: dict[tuple[str, str], dict[str, RemoteObject]] = {}
        self.by_name: dict[tuple[str, str], dict[str, RemoteObject]] = {}
        self.by_key: dict[str, str] = {}
        """Key -> external id, also of what is gone."""
        self.fired: dict[str, int] = {}
        self.writes: list[Write] = []
        self._events = 0

    def fold(self, event: Event) -> None:
        """Take one event in."""
        self._events += 1
        if "put" in event:
            self._put(event["put"])
        elif "drop" in event:
            self._take_out(self.objects.pop(event["drop"]))
        elif "fired" in event:
            self.fired[event["fired"]] = self.fired.get(event["fired"], 0) + event["times"]
        elif "key" in event:
            self.by_key[event["key"]] = event["made"]
        if "write" in event:
            self.writes.append(Write(*event["write"]))

    def dead(self) -> int:
        """How many events say nothing any more."""
        return self._events - sum(1 for _ in self.living())

    def living(self) -> Iterator[Event]:
        """The fewest events that add up to the same, the log of calls apart."""
        for key, made in self.by_key.items():
            if made not in self.objects:
                yield {"key": key, "made": made}
        for thing in self.objects.values():
            yield {"put": thing}
        for rule, times in self.fired.items():
            yield {"fired": rule, "times": times}

    def _put(self, thing: RemoteObject) -> None:
        old = self.objects.get(thing.id)
        if old and (old.owner, old.name) != (thing.owner, thing.name):
            self._take_out(old)
        self.objects[thing.id] = thing
        self.by_kind.setdefault(thing.kind, {})[thing.id] = thing
        self.by_owner.setdefault((thing.kind, thing.owner), {})[thing.id] = thing
        self.by_name.setdefault((thing.kind, thing.name), {})[thing.id] = thing
        if thing.key:
            self.by_key[thing.key] = thing.id

    def _take_out(self, thing: RemoteObject) -> None:
        del self.by_kind[thing.kind][thing.id]
        del self.by_owner[thing.kind, thing.owner][thing.id]
        del self.by_name[thing.kind, thing.name][thing.id]
