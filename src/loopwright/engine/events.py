"""What happens during a pass, as values: the terminal, the log and the JSON stream read these."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from loopwright.providers.base import Progress


class EventType(StrEnum):
    """Transitions only; `progress` is the one that may repeat."""

    PASS_STARTED = "pass-started"
    STARTED = "started"
    PROGRESS = "progress"
    RETRYING = "retrying"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    WAITING = "waiting"
    DECISION = "decision"
    REFUSED = "refused"
    RESUMED = "resumed"
    INTERRUPTED = "interrupted"
    PASS_FINISHED = "pass-finished"


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened. `at` is RFC 3339, `run` the plan's id."""

    type: EventType
    at: str = ""
    run: str = ""
    address: str = ""
    action: str = ""
    message: str = ""
    revision: str = ""
    stage: int = 0
    progress: Progress | None = None

    def to_json(self) -> dict[str, Any]:
        """Only what is said; keys in a fixed order."""
        found = {name: value for name, value in asdict(self).items() if value}
        return {"type": self.type.value, **{k: v for k, v in found.items() if k != "type"}}


Listener = Callable[[Event], None]


def silent(event: Event) -> None:
    """A listener that hears nothing."""
    del event
