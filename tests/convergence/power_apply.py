"""A process that the power-cut test runs: `power_apply.py FOLDER [PRAGMA]`.

Applies the whole loop to a cloud that no power cut here reaches, and says on standard output
what it is about to ask of it.
"""

from __future__ import annotations

import os
import sqlite3
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from loopwright.engine import pool
from loopwright.providers.memory.adapter import MemoryAdapter
from loopwright.state import files
from support.projects import TestProject, flywheel, memory_worlds


def _said(verb: str) -> None:
    real = getattr(MemoryAdapter, verb)

    def call(adapter: MemoryAdapter, target: Any, *given: Any) -> Any:
        os.write(1, f"{verb} {target.address}\n".encode())
        return real(adapter, target, *given)

    setattr(MemoryAdapter, verb, call)


def _open_with(pragma: str) -> None:
    real = files.open_to_write

    def opened(path: Path) -> sqlite3.Connection:
        connection = real(path)
        connection.execute(f"PRAGMA {pragma}")
        return connection

    files.open_to_write = opened


if __name__ == "__main__":
    pool.factory = memory_worlds
    for verb in ("create", "update"):
        _said(verb)
    for pragma in sys.argv[2:]:
        _open_with(pragma)
    assert TestProject(Path(sys.argv[1])).apply(flywheel()).exit_code == 0
