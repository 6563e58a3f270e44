"""What the runs of an apply came to: gathered from events, told at the end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from loopwright.cli.progress import Live, Transitions, result, subject
from loopwright.engine.events import Event, EventType, Listener, silent
from loopwright.resources.address import Address

if TYPE_CHECKING:
    from loopwright.state.records import Record
    from loopwright.state.store import StateReader


class Results:
    """Listens for what ended well; shows every event, and writes it where that is asked for."""

    def __init__(self, shown: Transitions | Live, written: Listener = silent) -> None:
        self._shown, self._written = shown, written
        self._told: dict[str, Event] = {}
        self.resumed = 0
        self.dataset = ""
        """The newest dataset version that lies on this machine, as `dataset show` takes it."""
        self.reports: list[str] = []
        """Where the reports of what was run lie."""
        self.promoted = ""
        """The endpoint that a better model took over, as `chat` takes it."""
        self.created = ""
        """An endpoint that is new, as `chat` takes it."""
        self._decided: dict[str, str] = {}
        self._began = ""

    def __call__(self, event: Event) -> None:
        self._shown(event)
        self._written(event)
        self._began = self._began or event.at
        if event.type is EventType.RESUMED:
            self.resumed += 1
            self._told[event.address] = event
        elif event.type is EventType.SUCCEEDED and event.action in ("run", "promote"):
            self._told[event.address] = event
        elif event.type is EventType.SUCCEEDED and event.action == "create":
            kind, _, name = event.address.partition("/")
            self.created = name if kind == "Endpoint" else self.created

    def note(self, text: str) -> None:
        """Say something beside the events, without disturbing what is drawn."""
        self._shown.note(text)

    def lines(self, most: int) -> Iterator[str]:
        """A line a result that says something, the last ones where there are many."""
        told = [
            (subject(event), result(event))
            for event in self._told.values()
            if event.message and event.address not in self._decided
        ]
        told = [*told, *self._decided.items()][-most:]
        width = max((len(about) for about, _ in told), default=0)
        for about, text in told:
            yield f"{about:<{width}}  {text}"

    def look_up(self, state: StateReader) -> None:
        """Find the names that people use for what was made, and what was decided."""
        for text in self._told:
            address = Address.parse(text)
            record = state.record(address)
            if record and address.kind == "Dataset" and record.outputs.get("path"):
                self.dataset = str(record.outputs.get("name", address.name))
            if record and record.outputs.get("report"):
                self.reports.append(str(record.outputs["report"]))
        for address, record in sorted(state.records().items()):
            self._note_decision(address, record)

    def _note_decision(self, address: Address, record: Record) -> None:
        """What was decided on a candidate while this listened."""
        from loopwright.planning.decisions import decision_words, decisions

        fresh = [one for one in decisions(record) if self._began and one["at"] >= self._began]
        if fresh:
            self._decided[str(address)] = decision_words(fresh[-1])
            if fresh[-1]["decision"] == "promoted":
                self.promoted = address.name
