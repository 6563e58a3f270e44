"""One OpenAI-compatible server, asked over kept connections; what may pass is tried again.

Questions and answers are text that people wrote: they are never logged.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import aiohttp
import orjson
from yarl import URL

from loopwright.errors import InferenceError
from loopwright.inference.reply import Reply, Usage
from loopwright.inference.retrying import FULL, asked_pause, is_patient, may_pass, pause

__all__ = ["Client", "Reply", "Server", "Usage"]

_CONNECT_SECONDS = 10.0
_LONGEST_ERROR = 500


@dataclass(frozen=True, slots=True)
class Server:
    """Where to ask, as whom, for which model."""

    url: str
    """Up to and with `/v1`."""
    model: str
    """Put into requests that name none."""
    api_key: str | None = field(default=None, repr=False)
    insecure_loopback: bool = False
    """Take any certificate, of this machine only: the project's own gateway may have one that
    is made out to another name."""

    def __post_init__(self) -> None:
        """Raises InferenceError when no certificate would be asked of another machine."""
        if self.insecure_loopback and not _is_loopback(URL(self.url).host or ""):
            raise InferenceError(
                f"cannot ask {self.url} without looking at its certificate",
                hint="only a server on this machine is trusted unseen",
            )


class Client:
    """Asks one server, from one event loop. Use as an asynchronous context manager."""

    def __init__(
        self,
        server: Server,
        *,
        attempts: int = 5,
        patience: float = 60.0,
        answer_seconds: float = 600.0,
    ) -> None:
        """`attempts` bounds tries of a question that the server fails on, `patience` is for how
        many seconds one that is away or full is waited for, `answer_seconds` for how long it may
        be silent over one question."""
        self.server = server
        self._attempts, self._patience = attempts, patience
        self._timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=_CONNECT_SECONDS, sock_read=answer_seconds
        )
        self._urls: dict[str, URL] = {}
        self._session: aiohttp.ClientSession | None = None
        self._not_before = self._alive = 0.0

    async def __aenter__(self) -> Self:
        key, unseen = self.server.api_key, self.server.insecure_loopback
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=not unseen, keepalive_timeout=60),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={
                "content-type": "application/json",
                **({"authorization": f"Bearer {key}"} if key else {}),
            },
            timeout=self._timeout,
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def ask(
        self, path: str, request: Mapping[str, Any], *, headers: Mapping[str, str] | None = None
    ) -> Reply:
        """The answer, or the last refusal once trying again has no more sense.

        `path` is under the server's url, e.g. `chat/completions`. Never raises for an answer.
        """
        data = orjson.dumps(
            request if "model" in request else {**request, "model": self.server.model}
        )
        loop = asyncio.get_running_loop()
        attempt = failures = 0
        since: float | None = None
        while True:
            await self._turn(loop)
            attempt += 1
            reply, asked = await self._attempt(loop, path, data, attempt, headers)
            now = loop.time()
            if reply.is_answer or not may_pass(reply.status):
                self._alive = now
                return reply
            failures += not is_patient(reply.status)
            since = now if since is None else since
            wait = pause(attempt, asked)
            if reply.status == FULL:
                # Full for us while others are served is no reason to give up.
                since = max(since, self._alive)
                self._not_before = max(self._not_before, now + wait)
            if failures >= self._attempts or now + wait - since > self._patience:
                return reply
            await asyncio.sleep(wait)

    async def _turn(self, loop: asyncio.AbstractEventLoop) -> None:
        """Who was told to wait spares everybody else the refusal."""
        while (left := self._not_before - loop.time()) > 0:
            await asyncio.sleep(left)

    async def _attempt(
        self,
        loop: asyncio.AbstractEventLoop,
        path: str,
        data: bytes,
        attempt: int,
        headers: Mapping[str, str] | None,
    ) -> tuple[Reply, float | None]:
        """One try, and the seconds that the server asks to wait for."""
        if self._session is None:
            raise InferenceError("a client asks only inside of its `async with`")
        began = loop.time()
        try:
            async with self._session.post(self._url(path), data=data, headers=headers) as answer:
                content = await answer.read()
                seconds = loop.time() - began
                asked = None if answer.status < 400 else asked_pause(answer.headers)
                body = _object(content)
                return Reply(
                    answer.status,
                    body,
                    _problem(answer.status, body),
                    seconds,
                    attempt,
                    _named(answer.headers),
                ), asked
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            said = f"no answer from {self.server.url}: {str(error) or type(error).__name__}"
            return Reply(0, None, said, loop.time() - began, attempt), None

    def _url(self, path: str) -> URL:
        found = self._urls.get(path)
        if found is None:
            found = URL(f"{self.server.url.rstrip('/')}/{path.lstrip('/')}")
            self._urls[path] = found
        return found


def _object(content: bytes) -> Mapping[str, Any] | None:
    try:
        found = orjson.loads(content)
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None


def _problem(status: int, body: Mapping[str, Any] | None) -> str:
    """Why an answer is none; what the server says of it where it says so as OpenAI does."""
    if status < 400:
        return "" if body is not None else "the answer is not a JSON object"
    told = (body or {}).get("error")
    said = told.get("message") if isinstance(told, Mapping) else told
    return f"status {status}: {str(said)[:_LONGEST_ERROR]}" if said else f"status {status}"


def _named(headers: Mapping[str, str]) -> str:
    return headers.get("x-loopwright-call-id") or headers.get("x-request-id") or ""


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
