"""A child process that is to live as long as the daemon: started again when it dies."""

from __future__ import annotations

import asyncio
import logging
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

_log = logging.getLogger("loopwright.daemon.recorder")
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0
_WELL_AFTER = 60.0
"""Seconds after which a child counts as having lived: the next pause is a short one again."""


class Supervised:
    """One child. `command` and `environ` are asked anew for every start."""

    def __init__(self, command: Sequence[str], environ: Callable[[], Mapping[str, str]]) -> None:
        self._command, self._environ = command, environ
        self._process: Process | None = None
        self._task: asyncio.Task[None] | None = None
        self._leaving = asyncio.Event()
        self._was_asked = False
        self.starts = 0

    @property
    def pid(self) -> int | None:
        alive = self._process is not None and self._process.returncode is None
        return self._process.pid if self._process and alive else None

    def start(self) -> None:
        """Begin; from now on it lives."""
        self._task = asyncio.create_task(self._keep_alive())

    def renew(self) -> None:
        """Have it end what it is doing and start again, with the environment of now."""
        self._terminate()

    async def stop(self, *, seconds: float) -> None:
        """Ask it to finish; kill it when it takes longer than `seconds`."""
        self._leaving.set()
        if self._task is None:
            return
        self._terminate()
        try:
            await asyncio.wait_for(asyncio.shield(self._task), seconds)
        except TimeoutError:
            if self._process is not None:
                with suppress(ProcessLookupError):
                    self._process.kill()
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def _terminate(self) -> None:
        if self.pid is not None and self._process is not None:
            self._was_asked = True
            with suppress(ProcessLookupError):
                self._process.terminate()

    async def _keep_alive(self) -> None:
        pause = _SHORTEST_PAUSE
        while not self._leaving.is_set():
            began = time.monotonic()
            code = await self._live()
            if self._leaving.is_set():
                return
            if self._was_asked or time.monotonic() - began > _WELL_AFTER:
                pause = _SHORTEST_PAUSE
            else:
                _log.warning("died; it is started again", extra={"code": code, "after": pause})
            with suppress(TimeoutError):
                await asyncio.wait_for(self._leaving.wait(), pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def _live(self) -> int:
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=DEVNULL,
            stdout=DEVNULL,
            stderr=PIPE,
            env=dict(self._environ()),
            start_new_session=True,  # Ctrl-C in a terminal is the daemon's to handle
        )
        self.starts, self._was_asked = self.starts + 1, False
        assert self._process.stderr is not None
        async for line in self._process.stderr:
            _log.info("%s", line.decode(errors="replace").rstrip())
        return await self._process.wait()
