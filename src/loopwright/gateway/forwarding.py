"""Asking an upstream: one attempt, and a second one where the first cannot have had an effect."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Any, NamedTuple

from loopwright.gateway import refusals
from loopwright.gateway.bodies import with_model
from loopwright.gateway.headers import upward
from loopwright.gateway.identifiers import TraceContext
from loopwright.gateway.refusals import RefusalError
from loopwright.gateway.routing import Work
from loopwright.gateway.upstream_client import NoConnectionError, UpstreamClient
from loopwright.gateway.upstream_connection import BrokenAnswerError, Reply
from loopwright.gateway.upstreams import Pool, Target

_PAUSE = 0.1  # seconds before the same upstream is asked again
_UNAVAILABLE = 503
_MOST_BREAKS = 3

Standing = tuple[Pool, float]
"""What stands behind an endpoint now, and how many seconds it may be waited for."""


class Question(NamedTuple):
    """What is to be asked of whichever upstream is chosen."""

    endpoint: str
    work: Work
    body: bytes
    request: dict[str, Any]
    headers: dict[str, str]
    trace: TraceContext


@dataclass(slots=True)
class Asked:
    """An answer that has begun, who gives it, and how long it was waited for, in seconds."""

    reply: Reply
    target: Target
    began: float
    waited: float

    def close(self) -> None:
        """Nothing more is wanted of it. Called once."""
        self.reply.close()  # one that was read to its end has given its connection back
        self.target.running -= 1

    def account(self, outcome: str) -> None:
        """Count it, once it is over. What a client did wrong, or gave up, is no failure of the
        model."""
        if outcome != "client_abort":
            failed = outcome != "ok" and not 400 <= self.reply.status < 500
            self.target.tally.add(perf_counter() - self.began, failed=failed)


async def ask(client: UpstreamClient, pool: Pool, question: Question) -> Asked:
    """The head of an upstream's answer. Raises RefusalError 502 or 504.

    A second attempt is made when no connection came about, and when one upstream of several said
    503: in both cases nobody has acted on the call.
    """
    first = pool.choose()
    if first is None:
        raise refusals.upstream_unreachable(question.endpoint)
    try:
        asked = await _attempt(client, first, question)
    except NoConnectionError as failure:
        second = await _other(pool, first, failure)
        if second is None:
            raise _refusal(question.endpoint, failure) from failure
        return await _again(client, second, question)
    except _FAILURES as failure:
        raise _refusal(question.endpoint, failure) from failure
    if asked.reply.status == _UNAVAILABLE and (other := pool.choose(after=first)) is not None:
        asked.account("upstream_error")
        asked.close()
        first.failed("it said 503")
        asked = await _again(client, other, question)
    return _usable(asked, question.endpoint)


async def ask_patiently(
    client: UpstreamClient, standing: Callable[[], Standing], question: Question
) -> Asked:
    """As `ask`, of a model that is started again when it dies: waits while it is said to come.

    A call that broke off before its answer began is asked anew, a few times: what computed it is
    ours, and is gone with all that it did.
    """
    since, breaks = perf_counter(), 0
    while True:
        pool, patience = standing()
        try:
            return await ask(client, pool, question)
        except RefusalError as refusal:
            breaks += refusal.code == refusals.BROKE
            may_pass = refusal.code in (refusals.BROKE, refusals.UNREACHABLE)
            if not may_pass or breaks > _MOST_BREAKS or not patience:
                raise
            if perf_counter() - since >= patience:
                raise refusals.loading(question.endpoint) from refusal
        await asyncio.sleep(_PAUSE)


_FAILURES = (NoConnectionError, BrokenAnswerError, TimeoutError)


async def _other(pool: Pool, failed: Target, failure: NoConnectionError) -> Target | None:
    """Another upstream, or the same a moment later when it only refused the connection."""
    other = pool.choose(after=failed)
    if other is None and not failure.is_late:
        await asyncio.sleep(_PAUSE)
        return failed
    return other


async def _again(client: UpstreamClient, target: Target, question: Question) -> Asked:
    try:
        return _usable(await _attempt(client, target, question), question.endpoint)
    except _FAILURES as failure:
        raise _refusal(question.endpoint, failure) from failure


async def _attempt(client: UpstreamClient, target: Target, question: Question) -> Asked:
    body = with_model(question.body, question.request, target.upstream.model)
    headers = upward(question.headers, authorization=target.authorization, trace=question.trace)
    began = perf_counter()
    target.running += 1
    try:
        reply = await client.post(
            target.place,
            target.paths[question.work],
            headers=headers,
            body=body,
            times=target.times,
        )
    except BaseException as failure:
        target.running -= 1
        if isinstance(failure, _FAILURES):
            target.tally.add(perf_counter() - began, failed=True)
        if isinstance(failure, NoConnectionError):
            target.failed(str(failure))
        raise
    target.succeeded()
    return Asked(reply, target, began, perf_counter() - began)


def _refusal(endpoint: str, failure: Exception) -> RefusalError:
    if isinstance(failure, NoConnectionError):
        return refusals.upstream_unreachable(endpoint)
    if isinstance(failure, TimeoutError):
        return refusals.upstream_timeout(endpoint)
    return refusals.upstream_broke(endpoint)


def _usable(asked: Asked, endpoint: str) -> Asked:
    """Refuses what is the gateway's business and would mislead a client."""
    status = asked.reply.status
    if status == 401 or 300 <= status < 400:
        asked.account("upstream_error")
        asked.close()
        raise refusals.upstream_unusable(endpoint, status)
    return asked
