"""The daemon's own small HTTP server: loopback only, and only for who knows the token."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import orjson
from aiohttp import web

from loopwright.errors import LoopwrightError

_MOST_BYTES = 4 << 20
_LONGEST_FLUSH = 60.0


class Controlled(Protocol):
    """What may be asked of a daemon."""

    def status(self) -> dict[str, Any]: ...

    async def reload(self, given: dict[str, str], *, retry: bool) -> None: ...

    async def flush(self, seconds: float) -> bool: ...

    async def refuse(self, endpoint: str, key: str, why: str) -> None: ...

    def stop(self) -> None: ...


class Control:
    """Listens from `start` to `close`."""

    def __init__(self, controlled: Controlled, token: str) -> None:
        self._controlled, self._expected = controlled, f"Bearer {token}".encode()
        app = web.Application(middlewares=[self._guarded], client_max_size=_MOST_BYTES)
        app.router.add_get("/health", self._health)
        app.router.add_get("/status", self._status)
        app.router.add_post("/reload", self._reload)
        app.router.add_post("/flush", self._flush)
        app.router.add_post("/refuse", self._refuse)
        app.router.add_post("/stop", self._stop)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)

    async def start(self) -> int:
        """The port that it listens on."""
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        port: int = self._runner.addresses[0][1]
        return port

    async def close(self) -> None:
        await self._runner.cleanup()

    @web.middleware
    async def _guarded(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        said = request.headers.get("authorization", "").encode()
        if not hmac.compare_digest(said, self._expected):
            return _answer({"message": "the token is missing or wrong"}, status=401)
        try:
            return await handler(request)
        except LoopwrightError as error:
            return _answer({"message": error.message}, status=409)
        except _NotUnderstood:
            return _answer({"message": "the request is not understood"}, status=400)

    async def _health(self, _: web.Request) -> web.Response:
        return _answer({"ok": True})

    async def _status(self, _: web.Request) -> web.Response:
        return _answer(self._controlled.status())

    async def _reload(self, request: web.Request) -> web.Response:
        given = await _field(request, "secrets", dict)
        secrets = {str(name): str(value) for name, value in given.items()}
        retry = request.query.get("retry") == "1"
        await self._controlled.reload(secrets, retry=retry)
        return _answer(self._controlled.status())

    async def _flush(self, request: web.Request) -> web.Response:
        seconds = float(await _field(request, "seconds", int, float))
        return _answer({"flushed": await self._controlled.flush(min(seconds, _LONGEST_FLUSH))})

    async def _refuse(self, request: web.Request) -> web.Response:
        said = [await _field(request, name, str) for name in ("endpoint", "key", "why")]
        await self._controlled.refuse(*said)
        return _answer({"ok": True})

    async def _stop(self, _: web.Request) -> web.Response:
        self._controlled.stop()
        return _answer({"ok": True})


class _NotUnderstood(Exception):
    """The body is not what the path takes."""


async def _field(request: web.Request, name: str, *kinds: type) -> Any:
    try:
        value = orjson.loads(await request.read())[name]
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise _NotUnderstood from error
    if not isinstance(value, kinds):
        raise _NotUnderstood
    return value


def _answer(value: dict[str, Any], *, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(value), status=status, content_type="application/json")
