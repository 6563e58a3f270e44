"""A project with a mock upstream and a real daemon; nothing is left running by a test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.daemons import MANIFESTS, PROJECT_FILE, ServedProject, ending
from support.upstreams import MockUpstream, upstream_in_thread

UPSTREAM_KEY = "the-upstream-credential-7f3a"


@pytest.fixture
def upstream() -> Iterator[MockUpstream]:
    with upstream_in_thread() as running:
        yield running


@pytest.fixture
def project(
    tmp_path: Path,
    upstream: MockUpstream,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[ServedProject]:
    """Declared, and not applied yet."""
    monkeypatch.setenv("UPSTREAM_KEY", UPSTREAM_KEY)
    (tmp_path / "loopwright.yaml").write_text(PROJECT_FILE)
    with ending(tmp_path / ".loopwright" / "default") as folder:
        found = ServedProject(tmp_path, folder, capsys)
        found.write(MANIFESTS, upstream=upstream.url)
        yield found
