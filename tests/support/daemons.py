"""Projects with a real daemon in a process of its own, which is gone when the test is over."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from loopwright.cli import run
from loopwright.daemon.client import DaemonClient
from loopwright.daemon.declared import DaemonFolder
from loopwright.daemon.presence import Facts, Presence
from loopwright.daemon.starting import wait_until_gone
from loopwright.errors import DaemonError

PROJECT_FILE = "gateway: {listen: '127.0.0.1:0'}\n"
MANIFESTS = """
apiVersion: loopwright.dev/v1alpha1
kind: Provider
metadata: {name: local}
spec: {type: local}
---
apiVersion: loopwright.dev/v1alpha1
kind: Lake
metadata: {name: main}
spec: {provider: local, storage: lake}
---
apiVersion: loopwright.dev/v1alpha1
kind: Endpoint
metadata: {name: support}
spec:
  provider: local
  model: {upstream: {url: "UPSTREAM_URL", model: teacher, apiKey: {env: UPSTREAM_KEY}}}
---
apiVersion: loopwright.dev/v1alpha1
kind: Delivery
metadata: {name: support}
spec: {provider: local, endpoint: support, lake: main}
"""


@contextmanager
def ending(state: Path) -> Iterator[DaemonFolder]:
    """The daemon's folder of a state folder; whatever lives there is ended at last."""
    folder = DaemonFolder(state)
    try:
        yield folder
    finally:
        _end(folder)


def kill(folder: DaemonFolder) -> None:
    """As a crash would: no word to anybody. Gone when this returns."""
    os.kill(facts(folder).pid, signal.SIGKILL)
    assert wait_until_gone(folder, seconds=30)


def facts(folder: DaemonFolder) -> Facts:
    found = Presence(folder.path).facts()
    assert found is not None, "no daemon serves"
    return found


def eventually(holds: Callable[[], object], *, seconds: float = 30) -> None:
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, f"not so after {seconds} s"
        time.sleep(0.05)


@dataclass
class ServedProject:
    """A project folder with an endpoint, its delivery and a lake."""

    path: Path
    folder: DaemonFolder
    capsys: pytest.CaptureFixture[str]

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """A command in the project: exit code, stdout, stderr."""
        self.capsys.readouterr()
        code = run([*arguments, "--project", str(self.path)])
        said = self.capsys.readouterr()
        assert "Traceback" not in said.err
        return code, said.out, said.err

    def apply(self, *more: str) -> tuple[int, str, str]:
        return self.run("apply", str(self.path), "--yes", *more)

    def write(self, text: str, *, upstream: str) -> None:
        (self.path / "all.yaml").write_text(text.replace("UPSTREAM_URL", upstream))


def _end(folder: DaemonFolder) -> None:
    found = Presence(folder.path).facts()
    with suppress(DaemonError):
        if found:
            DaemonClient.to(found).stop()
    if not wait_until_gone(folder, seconds=20) and found:
        with suppress(ProcessLookupError):
            os.kill(found.pid, signal.SIGKILL)
        assert wait_until_gone(folder, seconds=20)
