"""The daemon itself: begins, follows what is declared, and ends without losing a call.

Everything here runs in one event loop; what may wait for a disk goes through threads. What is
wrong with one object is told in `status` and holds up no other.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, Protocol

from loopwright import __version__
from loopwright.clock import Clock, SystemClock, to_text
from loopwright.daemon.access import internals
from loopwright.daemon.canaries import Canaries
from loopwright.daemon.configuring import Configured, configured, spec_digest
from loopwright.daemon.control import Control
from loopwright.daemon.declared import DaemonFolder
from loopwright.daemon.flushing import until_recorded
from loopwright.daemon.lakes import Logs
from loopwright.daemon.presence import Facts, Presence
from loopwright.daemon.project import DaemonProject
from loopwright.daemon.routes import Routes
from loopwright.daemon.runtime_process import Command
from loopwright.daemon.runtimes import Runtimes
from loopwright.daemon.secrets import Secrets
from loopwright.daemon.stages import Stages
from loopwright.daemon.supervision import Supervised
from loopwright.daemon.watching import Marks, marks
from loopwright.errors import LoopwrightError
from loopwright.gateway.settings import Settings
from loopwright.gateway.tally import Tally
from loopwright.lake.capture.call_log import CallLog
from loopwright.serving.launch import command

_log = logging.getLogger("loopwright.daemon")
_LOOK_SECONDS = 1.0
_AGAIN_SECONDS = 10.0
_LAST_FLUSH_SECONDS = 10.0
_RECORDER_SECONDS = 30.0
_RECORDING = "loopwright.daemon.recording"


class Gateway(Protocol):
    """What the daemon needs of a gateway server."""

    @property
    def address(self) -> tuple[str, int]: ...

    async def start(self) -> None: ...

    async def reload(self, settings: Settings, logs: Mapping[str, CallLog]) -> None: ...

    async def drain(self, seconds: float) -> None: ...

    def status(self) -> dict[str, Any]: ...

    def in_use(self) -> frozenset[tuple[str, str]]: ...

    def tallies(self, endpoint: str) -> Mapping[str, Tally]: ...


MakeGateway = Callable[[Settings, Logs, Runtimes], Gateway]


class Daemon:
    """One process's daemon, from `run` until it was asked to stop."""

    def __init__(
        self,
        folder: DaemonFolder,
        known: Secrets,
        *,
        project: DaemonProject,
        make_gateway: MakeGateway,
        detached: bool,
        clock: Clock | None = None,
        command: Command = command,
    ) -> None:
        self._folder, self._known, self._project = folder, known, project
        self._make_gateway, self._detached = make_gateway, detached
        self._presence = Presence(folder.path)
        self._token = secrets.token_urlsafe(32)
        known.remember([self._token, *(one.key for one in internals(self._token))])
        self._started_at = to_text(SystemClock().now())
        self._logs = Logs(folder, project.folder, known)
        self._recorder = Supervised(
            [sys.executable, "-P", "-m", _RECORDING, str(folder.state), str(os.getpid())],
            known.environ,
        )
        clock = clock or SystemClock()
        self._runtimes = Runtimes(
            folder.path / "runtimes",
            project.folder,
            known.environ,
            self._model_changed,
            command=command,
        )
        self._routes = Routes(self._runtimes, Canaries(Stages(folder.canaries), clock))
        self._models_changed = asyncio.Event()
        self._control = Control(self, self._token)
        self._port = 0
        self._changing = asyncio.Lock()
        self._leaving, self._hurry = asyncio.Event(), asyncio.Event()
        self._gateway: Gateway | None = None
        self._now = Configured(Settings())
        self._problems: dict[str, str] = {}
        self._marks = marks(folder, project, ())

    async def run(self) -> None:
        """Serve until asked to stop. Raises LoopwrightError when it cannot begin."""
        try:
            await self._begin()
            tasks = [asyncio.create_task(self._watch()), asyncio.create_task(self._keep_settled())]
            await self._leaving.wait()
            for task in tasks:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
        finally:
            await self._end()

    def stop(self) -> None:
        """Let running calls end, then go."""
        self._leaving.set()

    def interrupt(self) -> None:
        """Stop; asked once more, do not wait for running calls any longer."""
        if self._leaving.is_set():
            self._hurry.set()
        self.stop()

    async def reload(self, given: Mapping[str, str], *, retry: bool = False) -> None:
        """Follow what is declared now. What cannot be followed is told, and the rest is.

        With `retry`, models that could not be loaded are tried once more.
        """
        async with self._changing:
            if retry:
                self._runtimes.retry()
            if self._known.give(given):
                self._recorder.renew()
            await self._follow()

    async def flush(self, seconds: float) -> bool:
        """Have all that was delivered so far in the lakes; whether that is so."""
        await self._logs.hand_over()
        return await until_recorded(self._folder.spool, seconds=seconds)

    async def refuse(self, endpoint: str, key: str, why: str) -> None:
        """End the canary of a promotion: what served before serves every call."""
        async with self._changing:
            if self._routes.refuse(endpoint, key, why):
                await self._settle()

    def status(self) -> dict[str, Any]:
        """Everything that there is to tell, without a secret."""
        return {
            "pid": os.getpid(),
            "version": __version__,
            "startedAt": self._started_at,
            "detached": self._detached,
            "gateway": self.url,
            "endpoints": {
                one.name: {
                    "running": served.running,
                    "digest": spec_digest(one),
                    "delivery": served.delivery.name if served.delivery else "",
                    **self._routes.status(one.name),
                }
                for one in self._now.endpoints
                if (served := self._now.settings.endpoints.get(one.name))
            },
            "logs": self._logs.status(),
            "unwritten": self._logs.unwritten(),
            "recorder": {"pid": self._recorder.pid, "starts": self._recorder.starts},
            "runtimes": self._runtimes.status(),
            "problems": {**self._problems, **self._routes.problems()},
            "traffic": self._gateway.status() if self._gateway else {},
        }

    @property
    def url(self) -> str:
        """Base address of the gateway, as a client on this machine writes it."""
        host, port = self._gateway.address if self._gateway else ("", 0)
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
        scheme = "https" if self._now.settings.tls else "http"
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"

    async def _begin(self) -> None:
        self._now = await asyncio.to_thread(self._configured)
        self._marks |= self._looked()
        lakes = await self._logs.follow(self._now.lakes)
        self._problems = {**self._now.problems, **lakes}
        self._routes.follow(self._now.wanted, {})
        settings = self._routes.settled(self._now.settings)
        gateway = self._make_gateway(settings, self._logs, self._runtimes)
        await gateway.start()
        self._gateway = gateway
        self._recorder.start()
        self._port = await self._control.start()
        self._tell()
        for subject, why in self._problems.items():
            _log.warning("cannot be served", extra={"subject": subject, "why": why})
        _log.info("serves", extra={"gateway": self.url, "endpoints": len(self._now.endpoints)})

    async def _follow(self) -> None:
        self._marks = self._looked()
        try:
            self._project = DaemonProject.read(self._folder.path, self._known.environ())
            now = await asyncio.to_thread(self._configured)
            self._marks |= self._looked()  # files of secrets that were not known before
            lakes = await self._logs.follow(now.lakes)
            if self._gateway:
                self._routes.follow(now.wanted, self._tallies(now))
                await self._gateway.reload(self._routes.settled(now.settings), self._logs.by_lake)
                self._routes.retire(self._gateway.in_use())
            if now.lakes != self._now.lakes:
                self._recorder.renew()
            problems = {**now.problems, **lakes}
            is_news = (now, problems) != (self._now, self._problems)
            self._now, self._problems = now, problems
            self._tell()
        except (LoopwrightError, OSError) as error:
            self._problems = {**self._problems, "daemon": str(error)}
            _log.error("what is declared cannot be followed", extra={"why": str(error)})
            return
        if is_news:  # what cannot be served is tried again and again
            _log.info("follows what is declared now", extra={"problems": problems})

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        tried = loop.time()
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            if not self._presence.is_ours:
                _log.warning("the project is gone", extra={"folder": str(self._folder.path)})
                self.stop()
                return
            await self._logs.look()
            await self._step()
            again = bool(self._problems) and loop.time() - tried >= _AGAIN_SECONDS
            if again or self._looked() != self._marks:
                tried = loop.time()
                await self.reload({})

    def _model_changed(self) -> None:
        self._models_changed.set()

    async def _keep_settled(self) -> None:
        """Put behind endpoints what answers now, as soon as that is another than before."""
        while True:
            await self._models_changed.wait()
            self._models_changed.clear()
            async with self._changing:
                await self._settle()

    async def _step(self) -> None:
        """What is a matter of time: canaries, and models that the last call has left."""
        if self._gateway and self._now.wanted:
            async with self._changing:
                if self._routes.step(self._tallies(self._now)):
                    await self._settle()
                self._routes.retire(self._gateway.in_use())

    async def _settle(self) -> None:
        if self._gateway is None:
            return
        try:
            settings = self._routes.settled(self._now.settings)
            await self._gateway.reload(settings, self._logs.by_lake)
        except LoopwrightError as error:
            _log.error("models cannot be put behind endpoints", extra={"why": error.message})
        self._routes.retire(self._gateway.in_use())

    def _tallies(self, now: Configured) -> dict[str, Mapping[str, Tally]]:
        return {name: self._gateway.tallies(name) for name in now.wanted} if self._gateway else {}

    async def _end(self) -> None:
        self._presence.leave()
        gateway, self._gateway = self._gateway, None
        if gateway:
            await self._drained(gateway)
        await self._runtimes.stop()
        await asyncio.to_thread(self._logs.close)
        if not await until_recorded(self._folder.spool, seconds=_LAST_FLUSH_SECONDS):
            _log.warning("calls stay in the log until a daemon runs again")
        await self._recorder.stop(seconds=_RECORDER_SECONDS)
        await self._control.close()
        _log.info("stopped")

    async def _drained(self, gateway: Gateway) -> None:
        seconds = self._now.settings.limits.drain_seconds
        drained = asyncio.create_task(gateway.drain(seconds))
        hurried = asyncio.create_task(self._hurry.wait())
        await asyncio.wait({drained, hurried}, return_when=asyncio.FIRST_COMPLETED)
        hurried.cancel()
        if not drained.done():
            _log.warning("running calls are broken off")
            await gateway.drain(0)
        await drained

    def _looked(self) -> Marks:
        return marks(self._folder, self._project, self._known.files)

    def _configured(self) -> Configured:
        found = configured(self._folder, self._project, self._known)
        return replace(found, settings=replace(found.settings, internals=internals(self._token)))

    def _tell(self) -> None:
        self._presence.tell(
            Facts(
                pid=os.getpid(),
                started_at=self._started_at,
                version=__version__,
                port=self._port,
                token=self._token,
                gateway=self.url,
                certificate=str(tls.cert) if (tls := self._now.settings.tls) else "",
                detached=self._detached,
            )
        )
