"""The metrics file of a run: what the training child appends, and what others read of it.

One JSON object a line. A kill may tear the last one; the reader passes it over, and a run that
goes on from a checkpoint first takes back the lines that it will write again.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import orjson

METRICS = "metrics.jsonl"
_WINDOW = 20
"""Points over which speed is taken, so that an estimate follows the run and does not jump."""


@dataclass(frozen=True, slots=True)
class Point:
    """The run at one moment. What was not measured then is None."""

    step: int
    steps: int
    """Of the whole run."""
    epoch: float = 0.0
    tokens: int = 0
    """Read in training so far, padding not counted."""
    seconds: float = 0.0
    """Spent training so far, over all attempts."""
    at: str = ""
    phase: str = ""
    """What goes on outside training steps: loading, reading rows, saving."""
    loss: float | None = None
    """Mean over the trained tokens since the point before."""
    learning_rate: float | None = None
    grad_norm: float | None = None
    tokens_per_second: float | None = None
    validation_loss: float | None = None

    def line(self) -> bytes:
        """As a line of the file."""
        stated = {name: value for name, value in asdict(self).items() if value not in (None, "")}
        return orjson.dumps(stated) + b"\n"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is: the newest of each measure."""

    step: int = 0
    steps: int = 0
    epoch: float = 0.0
    tokens: int = 0
    seconds: float = 0.0
    phase: str = ""
    loss: float | None = None
    learning_rate: float | None = None
    tokens_per_second: float | None = None
    validation_loss: float | None = None
    eta_seconds: float | None = None

    @property
    def note(self) -> str:
        """One line for people: `loss 0.412, 8,900 tokens/s`, or what goes on before training."""
        if self.phase:
            return self.phase
        parts = [] if self.loss is None else [f"loss {self.loss:.3f}"]
        if self.validation_loss is not None:
            parts.append(f"validation {self.validation_loss:.3f}")
        if self.tokens_per_second:
            parts.append(f"{self.tokens_per_second:,.0f} tokens/s")
        return ", ".join(parts)


class MetricsFile:
    """Appends points; one write call each, so that a reader never sees half a line for long."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def points(self) -> list[Point]:
        """All that is in the file."""
        return read_points(self._path)

    def rewind(self, step: int) -> Point | None:
        """Take back what lies past `step`; the last training point that stays."""
        kept = [point for point in read_points(self._path) if point.step <= step]
        kept = [point for point in kept if not point.phase]
        temporary = self._path.with_name(f".{self._path.name}.tmp")
        temporary.write_bytes(b"".join(point.line() for point in kept))
        os.replace(temporary, self._path)
        return kept[-1] if kept else None

    def add(self, point: Point) -> None:
        """Append one point."""
        with self._path.open("ab", buffering=0) as handle:
            handle.write(point.line())


def read_points(path: Path) -> list[Point]:
    """Every whole line of the file; none when there is no file yet."""
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    return [point for line in lines if (point := _point(line)) is not None]


def progress_of(points: Sequence[Point]) -> Progress:
    """The newest of each measure, and the time left at the speed of late."""
    if not points:
        return Progress()
    last = points[-1]
    return Progress(
        step=last.step,
        steps=last.steps,
        epoch=last.epoch,
        tokens=last.tokens,
        seconds=last.seconds,
        phase=last.phase,
        loss=_newest(points, "loss"),
        learning_rate=_newest(points, "learning_rate"),
        tokens_per_second=_newest(points, "tokens_per_second"),
        validation_loss=_newest(points, "validation_loss"),
        eta_seconds=_eta([point for point in points if not point.phase]),
    )


class Tail:
    """Reads a growing metrics file, each line once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._points: list[Point] = []

    def read(self) -> Progress:
        """How far the run is now. A file that became shorter (taken up again) is read anew."""
        try:
            with self._path.open("rb") as handle:
                if handle.seek(0, os.SEEK_END) < self._offset:
                    self._offset, self._points = 0, []
                handle.seek(self._offset)
                whole, newline, _ = handle.read().rpartition(b"\n")
        except FileNotFoundError:
            return Progress()
        self._offset += len(whole) + len(newline)
        self._points += [point for line in whole.split(b"\n") if (point := _point(line))]
        return progress_of(self._points)


def _point(line: bytes) -> Point | None:
    try:
        stated: Mapping[str, Any] = orjson.loads(line)
        return Point(**{name: stated[name] for name in _NAMES & stated.keys()})
    except (ValueError, TypeError, AttributeError):
        return None


_NAMES = {one.name for one in fields(Point)}


def _newest(points: Iterable[Point], name: str) -> Any:
    values = [getattr(point, name) for point in points]
    return next((value for value in reversed(values) if value is not None), None)


def _eta(points: Sequence[Point]) -> float | None:
    """Seconds for the steps left; None before two points tell a speed."""
    if len(points) < 2:
        return None
    first, last = points[-min(_WINDOW, len(points))], points[-1]
    done, took = last.step - first.step, last.seconds - first.seconds
    return (last.steps - last.step) * took / done if done > 0 and took > 0 else None
