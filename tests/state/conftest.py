"""A state file in a folder of its own, and a clock that stands still."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from loopwright.clock import FakeClock
from loopwright.state.session import SqliteSession
from loopwright.state.sqlite import open_state


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / ".loopwright" / "default" / "state.db"


@pytest.fixture
def begin(path: Path, clock: FakeClock) -> Iterator[Callable[..., SqliteSession]]:
    """Open a session that the test need not close."""
    with ExitStack() as opened:

        def start(holder: str = "ann@here pid 1", command: str = "apply", **how: Any):
            state = open_state(path, clock=clock)
            return opened.enter_context(state.session(holder=holder, command=command, **how))

        yield start
