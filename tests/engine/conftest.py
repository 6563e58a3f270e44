"""A project whose memory providers share one world."""

from __future__ import annotations

from pathlib import Path

import pytest

from loopwright.providers import registry
from support.projects import TestProject, injected


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TestProject:
    made = TestProject(tmp_path)
    known = registry.factory
    monkeypatch.setattr(
        "loopwright.engine.pool.factory",
        lambda name: injected(made.world) if name == "memory" else known(name),
    )
    return made
