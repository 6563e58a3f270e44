"""Starting a daemon from outside, in the background, and waiting for one to serve or to be gone."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from loopwright.daemon.acting import API_KEY
from loopwright.daemon.client import DaemonClient
from loopwright.daemon.declared import DaemonFolder
from loopwright.daemon.presence import Presence
from loopwright.errors import DaemonError

_START_SECONDS = 60.0
_LOOK_EVERY = 0.05
_LAST_WORDS = 400


def start(folder: DaemonFolder, *, project: Path, environ: Mapping[str, str]) -> None:
    """See that a daemon lives: of any number of starts at once, one makes it.

    It holds its lock when this returns and serves a little later. Raises DaemonError when no
    process could be started.
    """
    if Presence(folder.path).is_alive:
        return
    folder.path.mkdir(parents=True, exist_ok=True)
    with _start_log(folder).open("wb") as log:
        started = subprocess.run(
            [sys.executable, "-P", "-m", "loopwright.daemon", str(folder.state), "--detach"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={name: value for name, value in environ.items() if name != API_KEY},
            cwd=project,
            start_new_session=True,
            check=False,
        )
    if started.returncode:
        raise DaemonError(f"the project daemon could not start: {last_words(folder)}")


def wait_until_serving(folder: DaemonFolder, *, seconds: float = _START_SECONDS) -> DaemonClient:
    """The daemon that was started. Raises DaemonError with its reason when it gave up."""
    presence, until = Presence(folder.path), time.monotonic() + seconds
    while time.monotonic() < until:
        if client := DaemonClient.of(folder.path):
            return client
        if not presence.is_alive:
            raise start_failure(folder)
        time.sleep(_LOOK_EVERY)
    raise DaemonError(
        f"the project daemon did not begin to serve within {seconds:.0f} s",
        hint=f"its log is {folder.log}",
    )


def wait_until_gone(folder: DaemonFolder, *, seconds: float) -> bool:
    """Whether no daemon lives any more within this time."""
    presence, until = Presence(folder.path), time.monotonic() + seconds
    while presence.is_alive:
        if time.monotonic() >= until:
            return False
        time.sleep(_LOOK_EVERY)
    return True


def start_failure(folder: DaemonFolder) -> DaemonError:
    """Why the daemon that was started is gone again, in its own words."""
    told = Presence(folder.path).failure()
    if told:
        return DaemonError(told[0], hint=told[1] or None)
    return DaemonError(
        f"the project daemon ended as it started: {last_words(folder) or 'it was killed'}",
        hint=f"its log is {folder.log}",
    )


def last_words(folder: DaemonFolder) -> str:
    """What it wrote before it could write its log."""
    try:
        text = _start_log(folder).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""
    return " ".join(text.splitlines()[-3:])[-_LAST_WORDS:]


def _start_log(folder: DaemonFolder) -> Path:
    return folder.path / "start.log"
