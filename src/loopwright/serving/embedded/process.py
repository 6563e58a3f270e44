"""A runtime from its start to its end: load, listen, announce, serve, drain."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import torch
import uvicorn
import uvloop
from transformers.utils.logging import disable_progress_bar

from loopwright.children import Parent
from loopwright.serving.announcing import Announced, announce
from loopwright.serving.embedded.app import App, deliver_in
from loopwright.serving.embedded.catalog import Catalog, Served
from loopwright.serving.embedded.loading import find_context, find_defaults, load
from loopwright.serving.embedded.tokens import Tokens
from loopwright.serving.embedded.worker import Bounds, Worker
from loopwright.serving.settings import RuntimeSettings

_log = logging.getLogger("loopwright.serving")

_LOOK = 0.5
_DRAINS_WITHIN = 25
_LONGEST_QUEUE = 32  # waiting calls for each that runs
_ORPHANED = 3


def serve(settings: RuntimeSettings, *, token: str, parent: int | None) -> None:
    """Serve until SIGTERM or until `parent` is gone. Raises LoopwrightError when it cannot."""
    torch.set_num_threads(settings.threads)
    disable_progress_bar()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(settings, token=token, parent=parent))


async def _run(settings: RuntimeSettings, *, token: str, parent: int | None) -> None:
    server: list[_Server] = []
    watching = asyncio.ensure_future(_watch(parent, server)) if parent else None
    loop = asyncio.get_running_loop()
    bounds = Bounds(settings.max_batch, settings.memory_bytes, settings.idle_seconds)
    worker = Worker(partial(load, settings), settings.label, bounds, deliver_in(loop))
    worker.start()
    try:
        app = await loaded_app(settings, worker, token)
        server.append(_Server(app))
        await _serve(server[0], settings)
    finally:
        worker.close()
        if watching is not None:
            watching.cancel()


async def loaded_app(settings: RuntimeSettings, worker: Worker, token: str) -> App:
    """An app whose base and adapters are in memory. Raises LoopwrightError when not."""
    await asyncio.to_thread(settings.imprint(settings.label).check, settings.weights)
    ready = asyncio.wrap_future(worker.ready())
    base = await asyncio.to_thread(_describe_base, settings)
    await ready
    catalog = Catalog(base, created=int(time.time()))
    describe = partial(_describe_adapter, settings, base)
    for label, folder in settings.adapters.items():
        imprint = settings.imprint(label)
        await asyncio.to_thread(imprint.check, folder)
        served = await asyncio.to_thread(describe, label, folder)
        await asyncio.wrap_future(worker.add(label, folder, imprint))
        catalog.add(served)
    most_waiting = _LONGEST_QUEUE * settings.max_batch
    return App(worker, catalog, token=token, most_waiting=most_waiting, describe=describe)


def _describe_base(settings: RuntimeSettings) -> Served:
    folder, trusts = settings.weights, settings.trust_remote_code
    tokens = Tokens(folder, trust_remote_code=trusts)
    return Served(
        label=settings.label,
        tokens=tokens,
        defaults=find_defaults(folder, tokens.end),
        context=find_context(folder, trust_remote_code=trusts),
        folder=folder,
    )


def _describe_adapter(settings: RuntimeSettings, base: Served, label: str, folder: Path) -> Served:
    """An adapter may bring a tokenizer, with a chat template of its own."""
    own = (folder / "tokenizer_config.json").is_file()
    trusts = settings.trust_remote_code
    tokens = Tokens(folder, trust_remote_code=trusts) if own else base.tokens
    return Served(
        label=label,
        tokens=tokens,
        defaults=find_defaults(settings.weights, tokens.end),
        context=base.context,
        folder=folder,
        parent=base.label,
    )


class _Server(uvicorn.Server):
    """Ends when told to, by us: uvicorn would end the process with the signal that it got."""

    def __init__(self, app: App) -> None:
        super().__init__(
            uvicorn.Config(
                app, http="httptools", ws="none", lifespan="off", interface="asgi3",
                log_config=None, access_log=False, server_header=False, proxy_headers=False,
                timeout_keep_alive=75, timeout_graceful_shutdown=_DRAINS_WITHIN,
            )
        )  # fmt: skip

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.end)
        yield

    def end(self) -> None:
        """Take no more calls and end once the running ones are answered."""
        self.should_exit = True


async def _serve(server: _Server, settings: RuntimeSettings) -> None:
    sock = socket.create_server(("127.0.0.1", 0), backlog=1024)
    serving = asyncio.ensure_future(server.serve(sockets=[sock]))
    while not (server.started or serving.done()):
        await asyncio.sleep(0.01)
    started = datetime.now(UTC).isoformat(timespec="seconds")
    announce(settings.announce, Announced(sock.getsockname()[1], os.getpid(), started))
    _log.info("serves %s", settings.label)
    await serving


async def _watch(parent: int, server: list[_Server]) -> None:
    """End with who started this process."""
    above = Parent(parent)
    while above.lives:
        await asyncio.sleep(_LOOK)
    _log.warning("ends: process %d, which started it, is gone", parent)
    if server:
        server[0].end()
        await asyncio.sleep(_ORPHANED)
    os._exit(1)  # loading, or a call that nobody waits for: a thread cannot be broken off
