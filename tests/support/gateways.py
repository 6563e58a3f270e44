"""A gateway in a thread of its own, for clients that block; and the small things around one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvloop

from loopwright.gateway.server import GatewayServer
from loopwright.gateway.settings import Delivery, Endpoint, Settings, Upstream
from loopwright.lake.capture.call_log import CallLog
from loopwright.lake.keys import MasterKey
from loopwright.lake.store import Lake
from support.loops import LoopThread, loop_in_thread


class RunningGateway:
    """A started gateway: `url` for clients, `run` for coroutines in its loop."""

    def __init__(self, server: GatewayServer, thread: LoopThread, log_lines: bytearray) -> None:
        self.server, self.log_lines = server, log_lines
        self.run = thread.run

    @property
    def url(self) -> str:
        return str(self.server.status()["url"])

    def reload(self, settings: Settings, logs: Mapping[str, CallLog] | None = None) -> None:
        self.run(self.server.reload(settings, logs or {}))


@contextmanager
def gateway_in_thread(
    settings: Settings, *, logs: Mapping[str, CallLog] | None = None
) -> Iterator[RunningGateway]:
    """Serve `settings` until the block ends. Lines of the access log are gathered."""
    lines = bytearray()
    server = GatewayServer(settings, logs=logs or {}, access_log=lines.extend)
    with loop_in_thread(uvloop.new_event_loop) as thread:
        thread.run(server.start())
        try:
            yield RunningGateway(server, thread, lines)
        finally:
            thread.run(server.drain(0.5))


def endpoint(name: str, *urls: str, model: str = "upstream-model", **fields: Any) -> Endpoint:
    """An endpoint before upstreams at `urls`."""
    upstreams = tuple(Upstream(url, model, api_key="sk-upstream-secret") for url in urls)
    return Endpoint(name=name, upstreams=upstreams, **fields)


def settings_of(*endpoints: Endpoint, **fields: Any) -> Settings:
    return Settings(port=0, endpoints={one.name: one for one in endpoints}, **fields)


@contextmanager
def call_log(folder: Path, *, name: str = "calls") -> Iterator[CallLog]:
    """A real log of a real lake below `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    lake = Lake.create(folder / name, master=MasterKey.from_file(folder / "master"))
    log = CallLog.open(folder / "spool" / name, lake=lake, gateway_id="gw")
    try:
        yield log
    finally:
        log.close()


DELIVERY = Delivery(name="all", lake="calls")
