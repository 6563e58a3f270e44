"""The fake cloud: what exists in it, who changed it, and what tests may do to it.

Adapters read and change it; it knows nothing of targets, faults or time. With a file, several
processes share it and it survives their death.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import RLock
from typing import Any, NamedTuple

from loopwright.hashing import sha256_hex
from loopwright.providers.memory.lines import LineFile

_MIN_DEAD = 2_000


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

    def status_at(self, now: float) -> str:
        return self.ends if now >= self.ready_at else "running"


class Write(NamedTuple):
    """One mutating call. `effective` is False where it found its work already done."""

    action: str
    address: str
    key: str
    external_id: str
    effective: bool = True


class World:
    """Objects by external id, and the log of mutating calls. Safe for threads and processes."""

    def __init__(self, path: Path | None = None) -> None:
        """Raises nothing when the file is missing: it comes with the first change."""
        self._lock = RLock()
        self._file = LineFile(path) if path else None
        self._clear()
        if self._file:
            self._compact_if_worth_it()

    # What adapters and tests ask.

    @property
    def writes(self) -> list[Write]:
        """Mutating calls in order; of a world in a file, those since it was last compacted."""
        with self._fresh():
            return list(self._writes)

    def objects(self, kind: str | None = None) -> list[RemoteObject]:
        """All that exist, or all of a kind, oldest first."""
        with self._fresh():
            wanted = self._objects if kind is None else self._by_kind.get(kind, ())
            return [self._objects[id] for id in wanted]

    def get(self, external_id: str) -> RemoteObject | None:
        with self._fresh():
            return self._objects.get(external_id)

    def owned(self, kind: str, owner: str) -> list[RemoteObject]:
        """Objects of a kind that bear an owner tag, oldest first."""
        with self._fresh():
            return [self._objects[id] for id in self._by_owner.get((kind, owner), ())]

    def named(self, kind: str, name: str) -> list[RemoteObject]:
        """Objects of a kind that bear a name, oldest first."""
        with self._fresh():
            return [self._objects[id] for id in self._by_name.get((kind, name), ())]

    def snapshot(self) -> Mapping[str, RemoteObject]:
        """All objects by external id, as one look at the world; not a copy: read it at once."""
        with self._fresh():
            return self._objects

    def created_with(self, key: str) -> str | None:
        """External id of what a key once created, also when that is gone by now."""
        with self._fresh():
            return self._by_key.get(key)

    def fired(self, rule: str) -> int:
        """How often a fault rule was used up."""
        with self._fresh():
            return self._fired.get(rule, 0)

    # What adapters do.

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Look and change as one step that no thread or process comes between."""
        with self._lock:
            if self._file is None:
                yield
                return
            with self._file.locked():
                self._catch_up()
                yield

    def put(self, thing: RemoteObject, write: Write) -> None:
        """Make an object, or put a changed one in the place of the old."""
        self._record({"put": thing, "write": tuple(write)})

    def drop(self, external_id: str, write: Write) -> None:
        """Remove an object."""
        self._record({"drop": external_id, "write": tuple(write)})

    def note(self, write: Write) -> None:
        """Log a mutating call that changed nothing."""
        self._record({"write": tuple(write._replace(effective=False))})

    def fire(self, rule: str) -> None:
        """Count one use of a fault rule."""
        self._record({"fired": rule, "times": 1})

    # What people do behind loopwright's back, and tests in their place.

    def make(self, kind: str, name: str, **spec: Any) -> RemoteObject:
        """Somebody makes an object in the console; it bears no owner tag."""
        with self.changing():
            tag = sha256_hex(f"{kind}/{name}/{len(self._writes)}".encode())[:12]
            made = RemoteObject(f"mem-console-{tag}", kind, name, spec=spec)
            self.put(made, Write("make", f"{kind}/{name}", "", made.id))
            return made

    def edit(self, external_id: str, **spec: Any) -> None:
        """Somebody changes fields of an object in the console; None takes a field away."""
        with self.changing():
            old = self._objects[external_id]
            merged = {**old.spec, **spec}
            told = {name: value for name, value in merged.items() if value is not None}
            self.put(replace(old, spec=told), Write("edit", _address(old), "", old.id))

    def remove(self, external_id: str) -> None:
        """Somebody removes an object in the console."""
        with self.changing():
            old = self._objects[external_id]
            self.drop(old.id, Write("remove", _address(old), "", old.id))

    def calls(self, lake: str, count: int) -> None:
        """Traffic: the lakes of this name now hold so many calls, imports apart."""
        with self.changing():
            for old in self.named("Lake", lake):
                self.put(replace(old, calls=count), Write("calls", _address(old), "", old.id))

    def close(self) -> None:
        if self._file:
            self._file.close()

    # Events: how the world is remembered.

    def _record(self, event: dict[str, Any]) -> None:
        with self.changing():
            if self._file:
                self._file.append(event)
            self._fold(event)

    @contextmanager
    def _fresh(self) -> Iterator[None]:
        with self._lock:
            if self._file:
                self._catch_up()
            yield

    def _catch_up(self) -> None:
        assert self._file is not None
        news = self._file.news()
        if news.from_start:
            self._clear()
        for event in news.events:
            if "put" in event:
                event["put"] = RemoteObject(**event["put"])
            self._fold(event)

    def _clear(self) -> None:
        self._objects: dict[str, RemoteObject] = {}
        self._by_kind: dict[str, dict[str, None]] = {}
        self._by_owner: dict[tuple[str, str], dict[str, None]] = {}
        self._by_name: dict[tuple[str, str], dict[str, None]] = {}
        self._by_key: dict[str, str] = {}
        self._fired: dict[str, int] = {}
        self._writes: list[Write] = []
        self._events = 0

    def _fold(self, event: Mapping[str, Any]) -> None:
        self._events += 1
        if "put" in event:
            self._fold_put(event["put"])
        elif "drop" in event:
            gone = self._objects.pop(event["drop"])
            self._unlist(gone)
            self._by_kind[gone.kind].pop(gone.id)
        elif "fired" in event:
            rule = event["fired"]
            self._fired[rule] = self._fired.get(rule, 0) + event["times"]
        elif "key" in event:
            self._by_key[event["key"]] = event["made"]
        if "write" in event:
            self._writes.append(Write(*event["write"]))

    def _fold_put(self, thing: RemoteObject) -> None:
        old = self._objects.get(thing.id)
        if old and (old.owner, old.name) != (thing.owner, thing.name):
            self._unlist(old)
        self._objects[thing.id] = thing
        self._by_kind.setdefault(thing.kind, {})[thing.id] = None
        self._by_owner.setdefault((thing.kind, thing.owner), {})[thing.id] = None
        self._by_name.setdefault((thing.kind, thing.name), {})[thing.id] = None
        if thing.key:
            self._by_key[thing.key] = thing.id

    def _unlist(self, thing: RemoteObject) -> None:
        self._by_owner[thing.kind, thing.owner].pop(thing.id, None)
        self._by_name[thing.kind, thing.name].pop(thing.id, None)

    def _compact_if_worth_it(self) -> None:
        assert self._file is not None
        self._catch_up()
        if not self._is_mostly_dead():
            return
        with self.changing():
            if self._is_mostly_dead():
                self._file.rewrite(list(self._living()))
                self._writes.clear()
                self._events = sum(1 for _ in self._living())

    def _is_mostly_dead(self) -> bool:
        living = len(self._objects) + len(self._by_key) + len(self._fired)
        return self._events - living > max(_MIN_DEAD, 2 * living)

    def _living(self) -> Iterator[dict[str, Any]]:
        for key, made in self._by_key.items():
            if made not in self._objects:
                yield {"key": key, "made": made}
        for thing in self._objects.values():
            yield {"put": thing}
        for rule, times in self._fired.items():
            yield {"fired": rule, "times": times}


def _address(thing: RemoteObject) -> str:
    return f"{thing.kind}/{thing.name}"
