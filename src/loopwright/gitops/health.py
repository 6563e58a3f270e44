"""`/healthz` and `/metrics` of the watcher, on a small server of the standard library."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

from loopwright.clock import Clock
from loopwright.errors import LoopwrightError

log = logging.getLogger(__name__)

STALE_AFTER = timedelta(minutes=5)
"""Longer than any single fetch or provider call takes; a loop that is silent so long hangs."""
_TEXT = "text/plain; charset=utf-8"


class Pulse:
    """When the loop last showed that it is alive. Any thread may beat."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last = clock.now()

    def beat(self) -> None:
        self._last = self._clock.now()

    def problem(self) -> str:
        """Why the loop is taken for hung; empty while it is not."""
        silent: timedelta = self._clock.now() - self._last
        if silent <= STALE_AFTER:
            return ""
        last: datetime = self._last
        return f"the loop gave no sign of life since {last:%Y-%m-%dT%H:%M:%SZ}"


class HealthServer:
    """Serves until closed. `metrics` gives the exposition text and its content type."""

    def __init__(self, listen: str, pulse: Pulse, metrics: Callable[[], tuple[bytes, str]]) -> None:
        """Raises LoopwrightError when the address cannot be listened on; port 0 picks one."""
        host, _, port = listen.rpartition(":")

        class Handler(_Handler):
            answers: ClassVar = {
                "/healthz": lambda: _health(pulse),
                "/metrics": lambda: (200, *metrics()),
            }

        try:
            self._server = ThreadingHTTPServer(
                (host.strip("[]") or "127.0.0.1", int(port)), Handler
            )
        except (OSError, ValueError, OverflowError) as error:
            raise LoopwrightError(
                f"cannot listen on {listen}: {error}",
                hint="another watcher may; choose another --listen HOST:PORT, or --no-listen",
            ) from error
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="watch-health", daemon=True
        )
        self._thread.start()

    @property
    def address(self) -> str:
        host, port = self._server.server_address[:2]
        return f"{host!s}:{port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    answers: ClassVar[dict[str, Callable[[], tuple[int, bytes, str]]]]
    timeout = 10
    server_version = "loopwright"
    sys_version = ""

    def do_GET(self) -> None:
        answer = self.answers.get(self.path.partition("?")[0])
        status, body, content_type = answer() if answer else (404, b"not found\n", _TEXT)
        self.send_response(status)
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        log.debug("health request", extra={"request": format % args})


def _health(pulse: Pulse) -> tuple[int, bytes, str]:
    problem = pulse.problem()
    return (503, f"{problem}\n".encode(), _TEXT) if problem else (200, b"ok\n", _TEXT)
