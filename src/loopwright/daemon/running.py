"""Running a daemon in this process: event loop, signals, log, and the reason when it cannot."""

from __future__ import annotations

import asyncio
import logging
import os
import signal

import uvloop

from loopwright.daemon.acting import API_KEY
from loopwright.daemon.declared import DaemonFolder
from loopwright.daemon.lakes import Logs
from loopwright.daemon.logs import AccessFile, begin_logging
from loopwright.daemon.presence import Presence
from loopwright.daemon.project import DaemonProject
from loopwright.daemon.runtimes import Runtimes
from loopwright.daemon.secrets import Secrets
from loopwright.daemon.service import Daemon
from loopwright.errors import LoopwrightError
from loopwright.gateway.server import GatewayServer
from loopwright.gateway.settings import Settings

_log = logging.getLogger("loopwright.daemon")


def serve(folder: DaemonFolder, *, detached: bool) -> int:
    """Serve until SIGTERM or Ctrl-C, holding the lock already; the exit code.

    In the background the log is a file and a failure is left for whoever started it; in the
    foreground the log is stderr and LoopwrightError is raised.
    """
    os.environ.pop(API_KEY, None)  # says as whom somebody acts; the daemon acts for all
    environ = dict(os.environ)
    try:
        project = DaemonProject.read(folder.path, environ)
        known = Secrets(project.folder, environ)
        begin_logging(folder.log if detached else None, known)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_run(folder, project, known, detached=detached))
    except LoopwrightError as error:
        if not detached:
            raise
        _log.error("cannot serve", extra={"why": error.message})
        Presence(folder.path).tell_failure(error.message, error.hint)
        return error.exit_code
    return 0


async def _run(
    folder: DaemonFolder, project: DaemonProject, known: Secrets, *, detached: bool
) -> None:
    access_log = AccessFile(folder.path / "access.log")

    def make_gateway(settings: Settings, logs: Logs, runtimes: Runtimes) -> GatewayServer:
        return GatewayServer(
            settings,
            logs=logs.by_lake,
            access_log=access_log.write,
            lake_facts=logs.facts,
            runtime_facts=runtimes.facts,
        )

    daemon = Daemon(folder, known, project=project, make_gateway=make_gateway, detached=detached)
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, daemon.stop)
    loop.add_signal_handler(signal.SIGINT, daemon.interrupt)
    try:
        await daemon.run()
    finally:
        access_log.close()
