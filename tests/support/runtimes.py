"""The embedded runtime in this process, on a port: one torch for many tests."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import uvicorn

from loopwright.serving.embedded.app import App, deliver_in
from loopwright.serving.embedded.loading import load
from loopwright.serving.embedded.process import loaded_app
from loopwright.serving.embedded.worker import Bounds, Worker
from loopwright.serving.settings import RuntimeSettings

TOKEN = "runtime-token"


@dataclass(frozen=True)
class Running:
    url: str
    worker: Worker
    app: App


@contextmanager
def running(settings: RuntimeSettings) -> Iterator[Running]:
    """Serves `settings` until the block ends, by the parts that the process is made of."""
    started: list[Running] = []
    loop = asyncio.new_event_loop()
    servers: list[uvicorn.Server] = []
    ready = threading.Event()

    async def serve() -> None:
        bounds = Bounds(settings.max_batch, settings.memory_bytes, settings.idle_seconds)
        worker = Worker(partial(load, settings), settings.label, bounds, deliver_in(loop))
        worker.start()
        try:
            app = await loaded_app(settings, worker, TOKEN)
            config = uvicorn.Config(
                app, http="httptools", ws="none", lifespan="off", log_config=None, access_log=False,
                timeout_graceful_shutdown=5,
            )  # fmt: skip
            server = uvicorn.Server(config)
            servers.append(server)
            sock = socket.create_server(("127.0.0.1", 0))
            port = sock.getsockname()[1]
            started.append(Running(f"http://127.0.0.1:{port}", worker, app))
            serving = asyncio.ensure_future(server.serve(sockets=[sock]))
            while not server.started:
                await asyncio.sleep(0.01)
            ready.set()
            await serving
        finally:
            worker.close()
            ready.set()

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(serve())

    thread = threading.Thread(target=run)
    thread.start()
    ready.wait()
    try:
        yield started[0]
    finally:
        for server in servers:
            server.should_exit = True
        thread.join()
