"""Live progress on a terminal, plain transitions off it, and the JSON-lines event stream."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO

from loopwright.cli.output import masked, note
from loopwright.cli.records import progress_words
from loopwright.engine.events import Event, EventType
from loopwright.errors import LoopwrightError

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_WORDS = {
    EventType.RUNNING: "running",
    EventType.SUCCEEDED: "done",
    EventType.FAILED: "FAILED",
    EventType.RETRYING: "is tried again",
    EventType.RESUMED: "begun earlier, done now",
    EventType.DECISION: "needs a decision",
    EventType.REFUSED: "rejected",
}
_PAST = {
    "create": "created",
    "update": "updated",
    "replace": "replaced",
    "reuse": "reused",
    "promote": "promoted",
    "delete": "deleted",
    "forget": "forgotten",
    "adopt": "adopted",
    "move": "moved",
}
_QUIET_ABOVE = 60
"""So many finished lines are shown off a terminal; then only every hundredth."""
_HEARTBEAT = 60.0


def subject(event: Event) -> str:
    """What an event is about, e.g. `Dataset/router v8`."""
    return f"{event.address} {event.revision}".rstrip()


def result(event: Event) -> str:
    """What came of it, in the provider's words; the revision is told beside it."""
    return event.message.removeprefix(f"{event.revision}: ")


def past(action: str) -> str:
    """What has been done, e.g. `created`; a run is `run`."""
    return _PAST.get(action, action)


def _line(event: Event) -> str:
    word = _WORDS[event.type]
    if event.type is EventType.SUCCEEDED:
        word = _PAST.get(event.action, word)
    elif event.type is EventType.FAILED and event.action != "run":
        word = f"{event.action} {word}"
    message = f": {result(event)}" if event.message else ""
    return f"  {subject(event)}  {word}{message}"


class Transitions:
    """Off a terminal: a line when something changes, and a sign of life once a minute."""

    def __init__(self) -> None:
        self._done = 0
        self._beat: dict[str, float] = {}

    def __call__(self, event: Event) -> None:
        if event.type is EventType.PROGRESS:
            self._progress(event)
        elif event.type in _WORDS and not self._folds(event):
            note(_line(event))

    def note(self, text: str) -> None:
        """Say something beside the events."""
        note(text)

    def _folds(self, event: Event) -> bool:
        if event.type is not EventType.SUCCEEDED:
            return False
        self._done += 1
        if self._done == _QUIET_ABOVE + 1:
            note(f"  ... {_QUIET_ABOVE} done; from here every hundredth is shown")
        return self._done > _QUIET_ABOVE and self._done % 100 != 0

    def _progress(self, event: Event) -> None:
        now = time.monotonic()
        if now - self._beat.setdefault(event.address, now) >= _HEARTBEAT:
            self._beat[event.address] = now
            note(f"  {event.address}  {progress_words(event.progress)}")


class Live:
    """On a terminal: a bar a running operation; finished lines scroll up.

    Nothing is drawn before the first operation starts, so that a question stays readable.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, event: Event) -> None:
        if event.type in (EventType.STARTED, EventType.RUNNING) and event.address:
            self._progress.start()
            if event.address not in self._tasks:
                self._tasks[event.address] = self._progress.add_task(
                    subject(event), total=None, note=""
                )
        elif event.type is EventType.PROGRESS and event.progress:
            self._update(event)
        elif event.type in _WORDS:
            self._end(event)

    def _update(self, event: Event) -> None:
        task, progress = self._tasks.get(event.address), event.progress
        if task is None or progress is None:
            return
        self._progress.update(
            task,
            completed=progress.done,
            total=progress.total or None,
            note=progress_words(progress),
        )

    def _end(self, event: Event) -> None:
        if event.type is not EventType.RETRYING:
            task = self._tasks.pop(event.address, None)
            if task is not None:
                self._progress.remove_task(task)
        self.note(_line(event))

    def note(self, text: str) -> None:
        """Say something beside the events, above the bars."""
        self._progress.console.print(masked(text), markup=False, highlight=False, soft_wrap=True)


class EventFile:
    """Events as JSON lines, each written whole, to a file or to stdout (`-`)."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._handle: TextIO | None = None

    def __enter__(self) -> Self:
        try:
            self._handle = sys.stdout if self._target == "-" else open(self._target, "a")
        except OSError as error:
            raise LoopwrightError(
                f"cannot write events to {self._target}: {error.strerror}"
            ) from error
        return self

    def __call__(self, event: Event) -> None:
        import orjson

        if self._handle is not None:
            self._handle.write(masked(orjson.dumps(event.to_json()).decode()) + "\n")
            self._handle.flush()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._handle is not None and self._target != "-":
            self._handle.close()


@contextmanager
def terminal_listener() -> Iterator[Transitions | Live]:
    """Live bars on a terminal, else transitions."""
    if not sys.stderr.isatty():
        yield Transitions()
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    progress = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[note]}", markup=False),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    try:
        yield Live(progress)
    finally:
        progress.stop()
