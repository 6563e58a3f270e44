"""Decides what is told: once when a cause begins, once when it has stayed away for a while.

Holds the open causes, also across restarts. How a message reaches people is in `webhooks`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from loopwright.clock import from_text, to_text
from loopwright.gitops.conditions import Cause, Level

RESOLVED_AFTER = timedelta(seconds=60)
"""A cause that comes back earlier has not been away: flapping is told once."""
_NAMED = 3


@dataclass(frozen=True, slots=True)
class Message:
    """What a webhook gets. `text` is for people; the rest lets machines group."""

    event: str
    cause: str
    addresses: tuple[str, ...]
    environment: str
    commit: str = ""
    detail: str = ""

    @property
    def text(self) -> str:
        named = ", ".join(self.addresses[:_NAMED])
        others = " and others" if len(self.addresses) > _NAMED else ""
        about = f" ({named}{others})" if named else ""
        detail = f": {self.detail}" if self.detail else ""
        return f"{self.environment}: {self.event}: {self.cause}{about}{detail}"

    def to_json(self) -> dict[str, Any]:
        return {
            "text": self.text,
            "event": self.event,
            "cause": self.cause,
            "addresses": list(self.addresses),
            "environment": self.environment,
            "commit": self.commit,
        }


@dataclass(frozen=True, slots=True)
class OpenCause:
    """A cause that was told. `absent_since`: it is gone, but not yet for long enough."""

    addresses: frozenset[str]
    since: datetime
    absent_since: datetime | None = None


class Notifications:
    """The state machine over causes."""

    def __init__(self, environment: str) -> None:
        self._environment = environment
        self.open: dict[Cause, OpenCause] = {}

    def update(self, level: Level, *, now: datetime, commit: str) -> list[Message]:
        """What is to be told now that the level is this."""
        messages = [
            replace(self._message(cause.event, cause.text, found, commit), detail=cause.detail)
            for cause, found in sorted(level.items(), key=lambda item: item[0])
            if cause not in self.open
        ]
        for cause, addresses in level.items():
            known = self.open.get(cause)
            if known is None:
                self.open[cause] = OpenCause(addresses, now)
            else:
                both = known.addresses | addresses
                self.open[cause] = replace(known, addresses=both, absent_since=None)
        messages += self._resolved(level, now, commit)
        return messages

    @property
    def due(self) -> datetime | None:
        """When the next cause counts as resolved, if nothing changes until then."""
        leaving = [found.absent_since for found in self.open.values() if found.absent_since]
        return min(leaving) + RESOLVED_AFTER if leaving else None

    def to_json(self) -> list[dict[str, Any]]:
        return [
            {
                "event": cause.event,
                "cause": cause.text,
                "addresses": sorted(found.addresses),
                "since": to_text(found.since),
                "absentSince": to_text(found.absent_since) if found.absent_since else "",
            }
            for cause, found in sorted(self.open.items())
        ]

    def recall(self, causes: Iterable[Mapping[str, Any]]) -> None:
        """Go on with what `to_json` gave. Raises KeyError or ValueError for anything else."""
        for item in causes:
            absent = from_text(item["absentSince"]) if item["absentSince"] else None
            found = OpenCause(frozenset(item["addresses"]), from_text(item["since"]), absent)
            self.open[Cause(item["event"], item["cause"])] = found

    def promoted(self, text: str, address: str, commit: str) -> Message:
        """A thing that happens once and needs no end."""
        return self._message("promoted", text, frozenset({address}), commit)

    def _resolved(self, level: Level, now: datetime, commit: str) -> Iterator[Message]:
        for cause, found in sorted(self.open.items()):
            if cause in level:
                continue
            absent_since = found.absent_since or now
            if now - absent_since < RESOLVED_AFTER:
                self.open[cause] = replace(found, absent_since=absent_since)
                continue
            del self.open[cause]
            if cause.event != "rejected":  # a verdict stands; it is not mended
                told = f"{cause.event}: {cause.text}"
                yield self._message("resolved", told, found.addresses, commit)

    def _message(self, event: str, cause: str, addresses: frozenset[str], commit: str) -> Message:
        return Message(event, cause, tuple(sorted(addresses)), self._environment, commit)
