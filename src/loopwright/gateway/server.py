"""A gateway as its owner sees it: started, told other settings, looked at, drained.

Runs in the event loop that starts it (uvloop where its owner chose it). Signals, processes and
secrets are the owner's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from loopwright.collecting import spare_collecting
from loopwright.errors import GatewayError
from loopwright.gateway.access_log import AccessLog
from loopwright.gateway.app import App
from loopwright.gateway.calling import Calls
from loopwright.gateway.listening import Listener
from loopwright.gateway.metrics import LakeFacts, Metrics, RuntimeFacts
from loopwright.gateway.serving import make_ready
from loopwright.gateway.settings import Limits, Settings
from loopwright.gateway.tally import Tally
from loopwright.gateway.upstream_client import UpstreamClient
from loopwright.gateway.upstreams import Target

if TYPE_CHECKING:
    from loopwright.lake.capture.call_log import CallLog


class GatewayServer:
    """Serves `settings`, recording into `logs` by the name that a delivery gives its lake.

    `access_log` takes bytes of whole JSON lines; `lake_facts` and `runtime_facts` are asked when
    metrics are. All methods belong to one event loop. The logs stay their owner's, who closes them
    after `drain`.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        logs: Mapping[str, CallLog],
        access_log: Callable[[bytes], object] | None = None,
        lake_facts: Callable[[], Mapping[str, LakeFacts]] = dict,
        runtime_facts: Callable[[], Iterable[RuntimeFacts]] = tuple,
    ) -> None:
        self._logs = logs
        self._metrics = Metrics(lambda: self._logs, lake_facts, runtime_facts)
        self._access_log = AccessLog(access_log) if access_log else None
        self._serving = make_ready(settings, logs)
        self._client: UpstreamClient | None = None
        self._app: App | None = None
        self._listener: Listener | None = None
        self._leaving: set[asyncio.Task[None]] = set()
        self._past: list[Target] = []

    async def start(self) -> None:
        """Listen and serve. Raises GatewayError when the address or certificate cannot be used."""
        self._client = UpstreamClient()
        self._app = App(
            self._serving,
            calls=Calls(self._client, self._metrics, lambda: self._serving),
            metrics=self._metrics,
            access_log=self._access_log,
        )
        try:
            self._listener = await self._opened(self._serving.settings)
        except BaseException:
            await self._client.close()
            raise
        spare_collecting()

    @property
    def address(self) -> tuple[str, int]:
        """Host and port that are listened on. Raises GatewayError when it is not started."""
        return self._here().address

    async def reload(self, settings: Settings, logs: Mapping[str, CallLog]) -> None:
        """Serve other settings from the next request on; running calls keep theirs.

        An address that changed is opened first and the old one drained. Raises GatewayError when
        the new settings cannot be served: then the old ones stay.
        """
        listener = self._here()
        serving = make_ready(settings, logs, before=self._serving)
        replacement = await self._replacement(listener, settings)
        self._past = [one for one in (*self._past, *self._targets()) if one.running]
        self._logs, self._serving = logs, serving
        self._running().serving = serving
        if replacement is not None:
            self._listener = replacement
            leaving = asyncio.create_task(listener.drain(settings.limits.drain_seconds))
            self._leaving.add(leaving)
            leaving.add_done_callback(self._leaving.discard)

    async def drain(self, seconds: float) -> None:
        """Take nothing new, let running calls end for up to `seconds`, then break them off."""
        if self._app is None or self._client is None:
            return
        self._app.is_draining = True
        if self._listener is not None:
            await self._listener.drain(seconds)
        for leaving in list(self._leaving):
            leaving.cancel()
        await asyncio.gather(*self._leaving, return_exceptions=True)
        await self._client.close()
        if self._access_log is not None:
            self._access_log.flush()
        self._listener = self._app = None

    def in_use(self) -> frozenset[tuple[str, str]]:
        """URL and model of every upstream that calls go to, or still wait for an answer of."""
        self._past = [one for one in self._past if one.running]
        every = (*self._past, *self._targets())
        return frozenset((one.upstream.url, one.upstream.model) for one in every)

    def tallies(self, endpoint: str) -> dict[str, Tally]:
        """How the models behind an endpoint have done since each came to stand there."""
        served = self._serving.endpoints.get(endpoint)
        return dict(served.tallies) if served else {}

    def status(self) -> dict[str, Any]:
        """What a person asks of a running gateway. No keys."""
        listener, app, serving = self._here(), self._running(), self._serving
        host, port = listener.address
        scheme = "https" if serving.settings.tls else "http"
        shown = f"[{host}]" if ":" in host else host
        return {
            "url": f"{scheme}://{shown}:{port}",
            "draining": app.is_draining,
            "running_calls": app.running,
            "connections": listener.connections,
            "principals": [principal.name for principal in serving.settings.principals],
            "endpoints": {name: one.status() for name, one in serving.endpoints.items()},
        }

    async def _replacement(self, listener: Listener, settings: Settings) -> Listener | None:
        """The listener that takes over, or None where the present one can go on."""
        if listener.serves(settings):
            if settings.tls is not None:
                listener.renew(settings.tls)
            return None
        before = self._serving.settings
        if (before.host, before.port) == (settings.host, settings.port):
            return await listener.handed_on(settings)
        return await self._opened(settings)

    async def _opened(self, settings: Settings) -> Listener:
        listener = Listener(self._running(), limits=self._limits)
        await listener.open(settings)
        return listener

    def _targets(self) -> Iterator[Target]:
        for served in self._serving.endpoints.values():
            yield from served.pool.targets

    def _limits(self) -> Limits:
        return self._serving.settings.limits

    def _here(self) -> Listener:
        if self._listener is None:
            raise GatewayError("the gateway is not running")
        return self._listener

    def _running(self) -> App:
        if self._app is None:
            raise GatewayError("the gateway is not running")
        return self._app
