"""Starting a runtime process and waiting until it answers."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from loopwright import children
from loopwright.errors import ServingError
from loopwright.serving.announcing import Announced, read_announced
from loopwright.serving.settings import TOKEN, RuntimeSettings

_LOOK = 0.05
_DRAINS_WITHIN = 30.0
_LAST_WORDS = 600


def command(settings: Path) -> list[str]:
    """What to run. `-P`: nothing is imported from the folder it happens to run in."""
    return [sys.executable, "-P", "-m", "loopwright.serving", str(settings)]


def environment(token: str, *, threads: int, environ: Mapping[str, str]) -> dict[str, str]:
    """The environment of a runtime that this process starts."""
    return {**children.environment(environ, threads=threads), TOKEN: token}


class Launched:
    """A runtime of this process, for as long as the `with` block lasts."""

    def __init__(
        self,
        settings: RuntimeSettings,
        *,
        folder: Path,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        """`folder` holds its settings and its log, and is the caller's to remove."""
        self.settings = settings
        self.token = secrets.token_urlsafe(32)
        self.log = folder / "runtime.log"
        self._environ = environment(
            self.token, threads=settings.threads, environ=os.environ if environ is None else environ
        )
        self._path = folder / "runtime.json"
        self._process: subprocess.Popen[bytes] | None = None
        self._announced: Announced | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Where it listens, `http://127.0.0.1:PORT`; clients append `/v1`."""
        if self._announced is None:
            raise ServingError("the runtime does not answer yet")
        return self._announced.url

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start the process; it loads the model meanwhile."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self.settings.announce.unlink(missing_ok=True)
        self.settings.write(self._path)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command(self._path), env=self._environ, stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def look(self) -> Announced | None:
        """What it announced, None while it loads.

        Raises ServingError with its words when it cannot serve, or died.
        """
        self._announced = read_announced(self.settings.announce)
        if self._process is None or self._process.poll() is None:
            return self._announced
        self._announced = read_announced(self.settings.announce)  # told between the two looks
        raise ServingError(
            f"the runtime of {self.settings.label} died: {_how(self._process.returncode)}"
            + _last_words(self.log),
            hint=f"its log: {self.log}",
        )

    def wait(
        self, *, seconds: float = 600.0, cancelled: Callable[[], bool] = lambda: False
    ) -> Announced:
        """Wait until it answers. Raises ServingError when it fails, dies or takes too long."""
        until = time.monotonic() + seconds
        while (found := self.look()) is None:
            if cancelled():
                raise ServingError("the runtime is not needed any more")
            if time.monotonic() >= until:
                raise ServingError(
                    f"the runtime of {self.settings.label} does not answer after {seconds:.0f} s",
                    hint=f"its log: {self.log}",
                )
            time.sleep(_LOOK)
        return found

    def stop(self, *, seconds: float = _DRAINS_WITHIN) -> None:
        """End it: it answers what runs, for `seconds` at most. Stopping twice is fine."""
        process, self._process, self._announced = self._process, None, None
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._path.unlink(missing_ok=True)
        self.settings.announce.unlink(missing_ok=True)


def _how(returncode: int) -> str:
    if returncode >= 0:
        return f"it ended with exit code {returncode}"
    if returncode == -signal.SIGKILL:
        return "killed (signal 9), often by the system for want of memory"
    return f"signal {-returncode}"


def _last_words(log: Path) -> str:
    try:
        lines = log.read_text(encoding="utf-8", errors="replace")[-_LAST_WORDS:].split("\n")
    except OSError:
        return ""
    said = [line.strip() for line in lines if line.strip()]
    return f"; last in its log: {said[-1]}" if said else ""
