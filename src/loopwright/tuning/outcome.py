"""How a training child says how it ended: a result, or why there is none."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import orjson

from loopwright.errors import TuningError

RESULT = "result.json"
FAILURE = "failure.json"
STOPPED = 75
"""Exit status of a child that was asked to stop: EX_TEMPFAIL of sysexits.h."""


class TuningStopped(TuningError):
    """The run was asked to stop; started again in its folder, it goes on from its checkpoint."""


class TuningCut(TuningError):
    """The child ended without a word: killed, or the machine went down. May be tried again."""


@dataclass(frozen=True, slots=True)
class Tuned:
    """A model that came of a run."""

    folder: Path
    kind: str
    """full: a Hugging Face folder; adapter: a PEFT folder."""
    steps: int
    epochs: float
    tokens: int
    seconds: float
    """Spent training, over all attempts; loading is not counted."""
    tokens_per_second: float
    loss: float | None
    """Mean over the trained tokens since the last report before the end."""
    validation_loss: float | None
    """Of the weights that were kept."""
    rows: Mapping[str, int] = field(default_factory=dict)
    """read, trained, validation, tooLong, nothingToLearn."""
    stopped_early: bool = False
    device: str = "cpu"
    parameters: int = 0
    trained_parameters: int = 0
    checkpoints: Mapping[str, str] = field(default_factory=dict)
    """Step -> checkpoint folder, those still kept."""

    def write(self, path: Path) -> None:
        """As JSON, at once in place: the commit point of the run."""
        _replace(path, orjson.dumps(asdict(self), default=str))

    @classmethod
    def read(cls, path: Path) -> Tuned | None:
        """The result, when the run has one and its model is there."""
        try:
            stated: dict[str, Any] = orjson.loads(path.read_bytes())
            tuned = cls(**stated | {"folder": Path(stated["folder"])})
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return tuned if tuned.folder.is_dir() else None


def write_failure(path: Path, error: TuningError) -> None:
    """Say why there is no result."""
    _replace(path, orjson.dumps({"error": error.message, "hint": error.hint}))


def read_failure(path: Path) -> TuningError | None:
    """Why there is no result, where the child said it."""
    try:
        stated = orjson.loads(path.read_bytes())
        return TuningError(stated["error"], hint=stated["hint"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _replace(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_bytes(data)
    os.replace(temporary, path)
