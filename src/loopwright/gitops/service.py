"""A watcher with all it needs around it: lock, health, metrics, webhooks, status file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass

from loopwright.clock import to_text
from loopwright.engine.workspace import Workspace
from loopwright.errors import LoopwrightError
from loopwright.gitops.declaring import Declare, LastGood
from loopwright.gitops.health import HealthServer, Pulse
from loopwright.gitops.lock import WatchLock
from loopwright.gitops.loop import Parts, Watcher
from loopwright.gitops.metrics import Metrics
from loopwright.gitops.notifications import Notifications
from loopwright.gitops.pace import Pace
from loopwright.gitops.passes import Passes
from loopwright.gitops.reporting import Reporter, Say
from loopwright.gitops.sources import Source
from loopwright.gitops.status import LOCK, StatusFile, WatchStatus, read_status
from loopwright.gitops.webhooks import Webhooks
from loopwright.state.lease import current_holder

_STANDBY_PAUSE = 2.0


@dataclass(frozen=True, slots=True)
class Settings:
    """How to watch. `interval` in seconds; `listen` is host:port, empty for no server."""

    interval: float = 60.0
    prune: bool = False
    listen: str = ""


class Service:
    """Waits for its turn, then watches until stopped."""

    def __init__(
        self,
        workspace: Workspace,
        source: Source,
        declare: Declare,
        *,
        settings: Settings,
        pace: Pace,
        say: Say,
    ) -> None:
        self._workspace, self._source, self._declare = workspace, source, declare
        self._settings, self._pace, self._say = settings, pace, say
        self._pulse = Pulse(workspace.clock)
        self._metrics = Metrics()
        self._server: HealthServer | None = None
        self._watcher: Watcher | None = None
        self._stopping = False

    def stop(self) -> None:
        """End soon: nothing new is started, what is under way is written down."""
        self._stopping = True
        if self._watcher is not None:
            self._watcher.stop()
        self._pace.wake()

    def run(self) -> None:
        """Until stopped. Raises LoopwrightError when the listen address is taken."""
        with ExitStack() as opened:
            opened.callback(self._silence)
            lock = WatchLock(self._workspace.state_dir / LOCK)
            opened.callback(lock.release)
            if not self._took(lock):
                return
            self._listen()
            webhooks = Webhooks(
                environ=self._workspace.environ, base_dir=self._workspace.project_dir
            )
            opened.callback(webhooks.close)
            with self._watching(webhooks) as watcher:
                watcher.run()

    def _listen(self) -> None:
        if self._settings.listen and self._server is None:
            self._server = HealthServer(
                self._settings.listen, self._pulse, self._metrics.exposition
            )

    def _silence(self) -> None:
        if self._server is not None:
            self._server.close()

    @contextmanager
    def _watching(self, webhooks: Webhooks) -> Iterator[Watcher]:
        watcher = self._assembled(webhooks)
        self._watcher = watcher
        if self._stopping:  # a signal that came before there was anything to stop
            watcher.stop()
        try:
            yield watcher
        finally:
            self._watcher = None

    def _took(self, lock: WatchLock) -> bool:
        """Stand by while another watches this environment; False when stopped meanwhile."""
        told = ""
        while not self._stopping:
            other = lock.take(current_holder())
            if not other:
                return True
            if other != told:
                self._say("standby", f"standing by: {other} watches this environment", {})
                told = other
            with suppress(LoopwrightError):  # the other may listen there, on this machine
                self._listen()
            self._pulse.beat()
            self._pace.wait(_STANDBY_PAUSE)
        return False

    def _assembled(self, webhooks: Webhooks) -> Watcher:
        address = self._server.address if self._server else ""
        workspace, clock = self._workspace, self._workspace.clock
        reporter = Reporter(
            clock=clock,
            status=self._fresh_status(address),
            file=StatusFile(workspace.state_dir),
            metrics=self._metrics,
            notifications=Notifications(workspace.environment),
            send=webhooks.send,
            say=self._say,
            beat=self._pulse.beat,
        )
        passes = Passes(workspace, prune=self._settings.prune, listener=reporter.event)
        parts = Parts(
            workspace=workspace,
            source=self._source,
            manifests=LastGood(self._source, self._declare),
            passes=passes,
            pace=self._pace,
            reporter=reporter,
            beat=self._pulse.beat,
        )
        self._say("watching", f"watching {self._source.description}", {"listen": address})
        return Watcher(parts, interval=self._settings.interval)

    def _fresh_status(self, address: str) -> WatchStatus:
        """What is known before the first look; the good revision and told causes are kept."""
        last = read_status(self._workspace.state_dir) or WatchStatus()
        return WatchStatus(
            holder=current_holder(),
            started_at=to_text(self._workspace.clock.now()),
            source=self._source.description,
            last_good=last.last_good,
            causes=last.causes,
            listen=address,
        )
