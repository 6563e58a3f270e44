"""The recorder's process: `python -m loopwright.daemon.recording STATE_DIR DAEMON_PID`.

Puts what gateways have logged into the lakes, step by step, until it is asked to stop or the
daemon that started it is gone. A process of its own, so that Parquet takes no time from calls.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

from loopwright.children import Parent
from loopwright.collecting import spare_collecting
from loopwright.daemon.declared import DaemonFolder
from loopwright.daemon.lakes import open_lake
from loopwright.daemon.logs import begin_logging
from loopwright.daemon.project import DaemonProject
from loopwright.daemon.secrets import Secrets
from loopwright.disk import Disk
from loopwright.errors import LakeError
from loopwright.lake.capture.recorder import Recorder
from loopwright.lake.store import Lake

_EVERY = 0.5
_LAST_SECONDS = 20.0


def main(state: Path, *, parent: int) -> None:
    """Work until asked to stop or orphaned, then finish what is there."""
    begin_logging(None, Secrets(state, os.environ), layout="%(levelname)s %(message)s")
    asked = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: asked.set())
    folder = DaemonFolder(state)
    # An earlier daemon's recorder may still be ending its last step.
    with Disk().lock(folder.path / "recorder.lock"):
        recorder = Recorder(folder.spool, _Opening(folder))
        spare_collecting()
        above = Parent(parent)
        while not asked.wait(_EVERY) and above.lives:
            recorder.step()
        _finish(recorder)


class _Opening:
    """Opens a lake by its name, as it is declared now."""

    def __init__(self, folder: DaemonFolder) -> None:
        self._folder = folder

    def __call__(self, name: str) -> Lake:
        declared = self._folder.lakes.get(name)
        if declared is None:
            raise LakeError(f"Lake/{name} is not declared in this environment any more")
        project = DaemonProject.read(self._folder.path, os.environ).folder
        return open_lake(declared, project, Secrets(project, os.environ))


def _finish(recorder: Recorder) -> None:
    until = time.monotonic() + _LAST_SECONDS
    while recorder.step().segments and time.monotonic() < until:
        pass


if __name__ == "__main__":
    main(Path(sys.argv[1]), parent=int(sys.argv[2]))
