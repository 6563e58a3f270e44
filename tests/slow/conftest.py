"""A project whose memory providers live in a world of its own."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from support.projects import TestProject, memory_worlds


@pytest.fixture(autouse=True)
def _worlds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loopwright.engine.pool.factory", memory_worlds)


@pytest.fixture
def project(tmp_path: Path) -> TestProject:
    return TestProject(tmp_path)


@pytest.fixture
def new_project(tmp_path: Path) -> Callable[[], TestProject]:
    """Makes a project at each call, for tests of many examples."""
    numbers = count()

    def make() -> TestProject:
        folder = tmp_path / f"project-{next(numbers)}"
        folder.mkdir()
        return TestProject(folder)

    return make
