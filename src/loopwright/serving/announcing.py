"""How a runtime tells who started it that it serves, or why it cannot."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loopwright.errors import LoopwrightError, ServingError


@dataclass(frozen=True, slots=True)
class Announced:
    """A runtime that answers on this machine."""

    port: int
    pid: int
    started_at: str
    """UTC, ISO 8601."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def announce(path: Path, announced: Announced) -> None:
    """Tell at `path` that calls are answered from now on."""
    told = {"port": announced.port, "pid": announced.pid, "startedAt": announced.started_at}
    _write(path, told)


def announce_failure(path: Path, error: LoopwrightError) -> None:
    """Tell at `path` why this runtime ends before it served."""
    _write(path, {"error": error.message, "hint": error.hint})


def read_announced(path: Path) -> Announced | None:
    """What the runtime told; None while it still loads.

    Raises ServingError with the runtime's own words when it could not serve.
    """
    try:
        told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ServingError(f"cannot read what the runtime told at {path}: {error}") from error
    if "error" in told:
        raise ServingError(str(told["error"]), hint=told.get("hint"))
    return Announced(port=told["port"], pid=told["pid"], started_at=told["startedAt"])


def _write(path: Path, told: dict[str, Any]) -> None:
    staged = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    staged.write_text(json.dumps(told, ensure_ascii=False), encoding="utf-8")
    staged.replace(path)
