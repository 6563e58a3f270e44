"""The fake cloud: what adapters ask and change, and what tests do behind loopwright's back.

It knows nothing of targets, faults or time. With a file, several processes share it and it
survives their death.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import RLock
from typing import Any

from loopwright.hashing import sha256_hex
from loopwright.providers.memory.contents import EVENTS, Contents, Event, RemoteObject, Write
from loopwright.providers.memory.lines import LineFile, not_a_world

_MANY_DEAD = 2_000


class World:
    """Objects by external id, and the log of mutating calls. Safe for threads and processes."""

    def __init__(self, path: Path | None = None) -> None:
        """A missing file comes into being with the first change, not with a look.

        Raises PermanentError when the file cannot be read or holds something else.
        """
        self._lock = RLock()
        self._file = LineFile(path) if path else None
        self._contents = Contents()
        self._changing = False
        if self._file:
            self._compact_if_mostly_dead(self._file)

    @property
    def writes(self) -> list[Write]:
        """Mutating calls in order; of a world in a file, those since it was last compacted."""
        with self.looking() as contents:
            return list(contents.writes)

    def objects(self, kind: str | None = None) -> list[RemoteObject]:
        """All that exist, or all of a kind, oldest first."""
        with self.looking() as contents:
            found = contents.objects if kind is None else contents.by_kind.get(kind, {})
            return list(found.values())

    @contextmanager
    def looking(self) -> Iterator[Contents]:
        """Any number of looks at one and the same moment; other threads wait meanwhile."""
        with self._lock:
            if self._file and not self._changing:
                self._catch_up(self._file)
            yield self._contents

    @contextmanager
    def changing(self) -> Iterator[Contents]:
        """Look and change as one step that no thread or process comes between. May be nested."""
        with self._lock:
            if self._file is None or self._changing:
                yield self._contents
                return
            with self._file.locked():
                self._catch_up(self._file)
                self._changing = True
                try:
                    yield self._contents
                finally:
                    self._changing = False

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

    def make(self, kind: str, name: str, **spec: Any) -> RemoteObject:
        """Somebody makes an object in the console; it bears no owner tag."""
        with self.changing() as contents:
            tag = sha256_hex(f"{kind}/{name}/{len(contents.writes)}".encode())[:12]
            made = RemoteObject(f"mem-console-{tag}", kind, name, spec=spec)
            self.put(made, Write("make", f"{kind}/{name}", "", made.id))
            return made

    def edit(self, external_id: str, **spec: Any) -> None:
        """Somebody changes fields in the console; None takes one away. Raises KeyError."""
        with self.changing() as contents:
            old = contents.objects[external_id]
            merged = {**old.spec, **spec}
            told = {name: value for name, value in merged.items() if value is not None}
            self.put(replace(old, spec=told), _by_hand("edit", old))

    def remove(self, external_id: str) -> None:
        """Somebody removes an object in the console. Raises KeyError."""
        with self.changing() as contents:
            old = contents.objects[external_id]
            self.drop(old.id, _by_hand("remove", old))

    def calls(self, lake: str, count: int) -> None:
        """Traffic: the lakes of this name now hold so many calls, imports apart."""
        with self.changing() as contents:
            for old in list(contents.by_name.get(("Lake", lake), {}).values()):
                self.put(replace(old, calls=count), _by_hand("calls", old))

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            if self._file:
                self._file.close()

    def _record(self, event: Event) -> None:
        with self.changing() as contents:
            if self._file:
                self._file.append(event)
            contents.fold(event)

    def _catch_up(self, file: LineFile) -> None:
        news = file.news()
        if news.from_start:
            self._contents = Contents()
        try:
            for event in news.events:
                self._contents.fold(_decoded(event))
        except (AttributeError, KeyError, TypeError) as error:
            raise not_a_world(file.path) from error

    def _compact_if_mostly_dead(self, file: LineFile) -> None:
        with self.looking() as contents:
            if not _is_mostly_dead(contents):
                return
        with self.changing() as contents:
            if _is_mostly_dead(contents):
                file.rewrite(contents.living())
                self._catch_up(file)


def _is_mostly_dead(contents: Contents) -> bool:
    return contents.dead() > max(_MANY_DEAD, 2 * len(contents.objects))


def _decoded(event: dict[str, Any]) -> Event:
    """Raises AttributeError, KeyError or TypeError when it is not one of ours."""
    if not event.keys() & EVENTS:
        raise KeyError(*event)
    if "put" in event:
        event["put"] = RemoteObject(**event["put"])
    return event


def _by_hand(action: str, thing: RemoteObject) -> Write:
    return Write(action, f"{thing.kind}/{thing.name}", "", thing.id)
