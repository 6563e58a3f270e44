"""What the runs of an apply came to: gathered from events, told at the end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from loopwright.cli.progress import Live, Transitions, result, subject
from loopwright.engine.events import Event, EventType, Listener, silent
from loopwright.resources.address import Address

if TYPE_CHECKING:
    from loopwright.state.store import StateReader


class Results:
    """Listens for what ended well; shows every event, and writes it where that is asked for."""

    def __init__(self, shown: Transitions | Live, written: Listener = silent) -> None:
        self._shown, self._written = shown, written
        self._told: dict[str, Event] = {}
        self.resumed = 0
        self.dataset = ""
        """The newest dataset version that lies on this machine, as `dataset show` takes it."""

    def __call__(self, event: Event) -> None:
        self._shown(event)
        self._written(event)
        if event.type is EventType.RESUMED:
            self.resumed += 1
            self._told[event.address] = event
        elif event.type is EventType.SUCCEEDED and event.action in ("run", "promote"):
            self._told[event.address] = event

    def note(self, text: str) -> None:
        """Say something beside the events, without disturbing what is drawn."""
        self._shown.note(text)

    def lines(self, most: int) -> Iterator[str]:
        """A line a result that says something, the last ones where there are many."""
        told = [event for event in self._told.values() if event.message][-most:]
        width = max((len(subject(event)) for event in told), default=0)
        for event in told:
            yield f"{subject(event):<{width}}  {result(event)}"

    def look_up(self, state: StateReader) -> None:
        """Find the names that people use for what was made."""
        for text in self._told:
            address = Address.parse(text)
            record = state.record(address) if address.kind == "Dataset" else None
            if record and record.outputs.get("path"):
                self.dataset = str(record.outputs.get("name", address.name))
