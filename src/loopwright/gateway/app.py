"""The ASGI app: who asks for what, and whatever goes wrong answered in OpenAI's shape."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

import orjson

from loopwright.errors import LakeError
from loopwright.gateway import feedback, refusals
from loopwright.gateway.access_log import AccessLog
from loopwright.gateway.bodies import parsed
from loopwright.gateway.calling import Calls
from loopwright.gateway.exchange import ClientGoneError, Exchange, Receive, Send
from loopwright.gateway.headers import CALL_ID
from loopwright.gateway.listening import is_loopback
from loopwright.gateway.metrics import Metrics
from loopwright.gateway.notes import Notes
from loopwright.gateway.redaction import redactor
from loopwright.gateway.refusals import RefusalError
from loopwright.gateway.routing import CALLS, Route, Work, find_route
from loopwright.gateway.serving import Serving
from loopwright.gateway.settings import Internal

_log = logging.getLogger(__name__)
_CALLS = frozenset(CALLS.values())
_UNCOUNTED = frozenset({Work.HEALTH, Work.METRICS})
_LARGEST_FEEDBACK = 1 << 20


class App:
    """Serves with `serving` as it is when a request comes in."""

    def __init__(
        self, serving: Serving, *, calls: Calls, metrics: Metrics, access_log: AccessLog | None
    ) -> None:
        self.serving = serving
        self.is_draining = False
        self.running = 0
        self._recent = feedback.RecentCalls()
        self._calls, self._metrics, self._access_log = calls, metrics, access_log

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        exchange, notes = Exchange(scope, receive, send), Notes()
        try:
            await self._serve(exchange, notes)
        except RefusalError as refusal:
            await exchange.refuse(refusal, ((CALL_ID, notes.call_id),))
        except ClientGoneError:
            notes.outcome = "client_abort"
        except Exception:
            _log.exception("the gateway failed at a call", extra={"call_id": notes.call_id})
            await exchange.refuse(refusals.defect(), ((CALL_ID, notes.call_id),))
        finally:
            self._account(exchange, notes)

    async def _serve(self, exchange: Exchange, notes: Notes) -> None:
        route = find_route(exchange.method, exchange.path)
        notes.work = route.work
        serving = self.serving
        if route.work in _UNCOUNTED and _is_local(exchange):
            await self._observed(exchange, route)
            return
        _note_caller(exchange, serving, notes)
        if route.work in _CALLS:
            await self._call(exchange, route, serving, notes)
        elif route.work is Work.FEEDBACK:
            await self._feedback(exchange, route, serving, notes)
        else:
            await self._observed(exchange, route)

    async def _call(self, exchange: Exchange, route: Route, serving: Serving, notes: Notes) -> None:
        if self.is_draining:
            raise refusals.draining()
        if self.running >= serving.settings.limits.running_calls:
            raise refusals.overloaded()
        self.running += 1
        try:
            await self._calls.run(exchange, route, serving, notes)
        finally:
            self.running -= 1

    async def _observed(self, exchange: Exchange, route: Route) -> None:
        """Questions that change nothing."""
        serving = self.serving
        if route.work is Work.METRICS:
            body, kind = self._metrics.exposition()
            await exchange.answer(200, body, (("content-type", kind),))
        elif route.work is Work.MODELS:
            await exchange.answer(200, serving.models(route.endpoint))
        elif route.work is Work.MODEL:
            await exchange.answer(200, serving.model(route.model or ""))
        else:
            word = b"draining" if self.is_draining else b"ok"
            status = 503 if self.is_draining else 200
            await exchange.answer(status, b'{"status":"%s"}' % word)

    async def _feedback(
        self, exchange: Exchange, route: Route, serving: Serving, notes: Notes
    ) -> None:
        said = parsed(await exchange.body(_LARGEST_FEEDBACK))
        named = (
            route.endpoint or said.get("endpoint") or self._recent.endpoint_of(said.get("call_id"))
        )
        served = serving.recorded(named)
        notes.endpoint = served.endpoint.name
        rows = feedback.rows(said, endpoint=notes.endpoint, author=notes.principal or None)
        if served.log is None or served.endpoint.delivery is None:
            raise refusals.not_recorded()
        clean = redactor(served.endpoint.delivery.redaction, served.log.hash_keys)
        try:
            for row in rows:
                served.log.feedback(row if clean is None else feedback.redacted(row, clean))
            await asyncio.wrap_future(served.log.commit())
        except LakeError:
            raise refusals.not_recorded() from None
        ids = [row["feedback_id"] for row in rows]
        await exchange.answer(200, orjson.dumps({"object": "feedback", "ids": ids}))

    def _account(self, exchange: Exchange, notes: Notes) -> None:
        if notes.work in _UNCOUNTED:
            return
        if notes.work in _CALLS:
            status = exchange.status or 499  # the client went away first
            self._metrics.request(notes.endpoint, notes.version, status)
            if notes.endpoint:
                self._recent.add(notes.call_id, notes.endpoint)
        if self._access_log is not None:
            line = notes.line(
                method=exchange.method,
                status=exchange.status or 499,
                sent=exchange.sent,
            )
            self._access_log.add(line)


def _note_caller(exchange: Exchange, serving: Serving, notes: Notes) -> None:
    """Raises RefusalError 401, and 403 for a page from elsewhere."""
    if not serving.principals and not _is_from_here(exchange.headers):
        raise refusals.foreign_page()
    caller = serving.principals.caller(exchange.headers.get("authorization"))
    if isinstance(caller, Internal):
        notes.principal, notes.internal = caller.name, caller
    elif serving.principals:
        notes.principal = caller.name


def _is_from_here(headers: Mapping[str, str]) -> bool:
    """No page of another site: without keys, a browser on this machine would let it call."""
    origin = headers.get("origin")
    if origin is None:
        return True
    host = origin.partition("//")[2].rpartition(":")[0] or origin.partition("//")[2]
    return is_loopback(host.strip("[]"))


def _is_local(exchange: Exchange) -> bool:
    client = exchange.scope["client"]
    return client is not None and is_loopback(client[0])
