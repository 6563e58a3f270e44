"""A child process that is to live as long as the daemon: started again when it dies."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from asyncio import StreamReader
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0
_SAID_WHEN = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} ")
"""A time that the child put before its line: the daemon's log has one of its own."""
_WELL_AFTER = 60.0
"""Seconds after which a child counts as having lived: the next pause is a short one again."""


class Supervised:
    """One child, whose lines on stderr go to the daemon's log under `name`.

    `environ` is asked anew for every start, after `before` was called. `ended` is told the exit
    code of a child that nobody asked to go, and may say for how many seconds it is to rest.
    """

    def __init__(
        self,
        command: Sequence[str],
        environ: Callable[[], Mapping[str, str]],
        *,
        name: str = "recorder",
        before: Callable[[], None] = lambda: None,
        ended: Callable[[int], float | None] = lambda _: None,
    ) -> None:
        self._command, self._environ = command, environ
        self._before, self._ended = before, ended
        self._log = logging.getLogger(f"loopwright.daemon.{name}")
        self._rested = asyncio.Event()
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
        self._rested.set()

    def retry(self) -> None:
        """Rest no longer, if it does."""
        self._rested.set()

    async def stop(self, *, seconds: float) -> None:
        """Ask it to finish; kill it when it takes longer than `seconds`."""
        self._leaving.set()
        self._rested.set()
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
            rest = None
            if self._was_asked or time.monotonic() - began > _WELL_AFTER:
                pause = _SHORTEST_PAUSE
            if not self._was_asked:
                rest = self._ended(code)
                after = pause if rest is None else rest
                self._log.warning("died; it is started again", extra={"code": code, "after": after})
            self._rested.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._rested.wait(), pause if rest is None else rest)
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def _live(self) -> int:
        self._before()
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=DEVNULL,
            stdout=DEVNULL,
            stderr=PIPE,
            env=dict(self._environ()),
            start_new_session=True,  # Ctrl-C in a terminal is the daemon's to handle
        )
        self.starts, self._was_asked = self.starts + 1, False
        if self._leaving.is_set():  # since it was begun
            self._terminate()
        assert self._process.stderr is not None
        while line := await _line(self._process.stderr):
            said = line.decode(errors="replace").rstrip()
            self._log.info("%s", _SAID_WHEN.sub("", said))
        return await self._process.wait()


async def _line(words: StreamReader) -> bytes:
    """The next line; empty at the end. Of one without measure, nothing but that there was one."""
    try:
        return await words.readline()
    except ValueError:
        return b"(a line too long to keep)\n"
