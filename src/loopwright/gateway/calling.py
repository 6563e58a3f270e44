"""A call from its request to its record: admitted, asked of an upstream, relayed, accounted for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from loopwright.errors import CaptureError
from loopwright.gateway import refusals
from loopwright.gateway.bodies import parsed
from loopwright.gateway.capturing import Arrival, Recording, begin
from loopwright.gateway.exchange import Exchange, encoded
from loopwright.gateway.forwarding import Asked, Question, Standing, ask, ask_patiently
from loopwright.gateway.headers import CALL_ID
from loopwright.gateway.identifiers import TraceContext, continued
from loopwright.gateway.metrics import Metrics
from loopwright.gateway.notes import Notes
from loopwright.gateway.refusals import RefusalError
from loopwright.gateway.relaying import Relay
from loopwright.gateway.routing import Route
from loopwright.gateway.serving import Served, Serving
from loopwright.gateway.upstream_client import UpstreamClient

OVERHEAD = "x-loopwright-overhead-ms"

_BYTES_A_TOKEN = 4  # to begin with; settled by what the answer says
_REQUEST_IDS = ("x-client-request-id", "x-request-id", "idempotency-key")
_LATE = 504


@dataclass(slots=True)
class Call:
    """One accepted call while it runs."""

    exchange: Exchange
    notes: Notes
    served: Served
    question: Question
    recording: Recording
    taken: int
    """Tokens that its limits were charged with in advance."""
    read: float
    """When the request was whole."""
    is_recorded: bool = False
    client_is_gone: bool = False

    async def record(self, outcome: str) -> None:
        """End the recording, once. Raises CaptureError if the delivery is fail-closed."""
        if not self.is_recorded:
            self.is_recorded = True
            self.exchange.connection.watch = None  # nobody's going away ends a record half made
            self.notes.outcome = outcome
            is_cut_off = outcome == "client_abort" and self.exchange.connection.is_cut_off
            await self.recording.end(
                outcome,
                timings=self.notes.timings(),
                error_type="shutdown" if is_cut_off else None,
            )

    @property
    def is_sealed(self) -> bool:
        delivery = self.served.endpoint.delivery
        return delivery is not None and delivery.fail_closed


class Calls:
    """Runs calls. `client` is that of all upstreams."""

    def __init__(
        self,
        client: UpstreamClient,
        metrics: Metrics,
        serving: Callable[[], Serving],
    ) -> None:
        """`serving` is asked for what is there now by a call that waits for its model."""
        self._client, self._metrics, self._serving = client, metrics, serving

    async def run(self, exchange: Exchange, route: Route, serving: Serving, notes: Notes) -> None:
        """Answer one call. Raises RefusalError where it is not accepted, ClientGoneError."""
        body = await exchange.body(serving.settings.limits.body_bytes)
        call = _accepted(exchange, route, serving, notes, body)
        outcome = "upstream_error"
        _cancel_when_gone(call)
        try:
            outcome = await self._answer(call)
        except asyncio.CancelledError:
            outcome = "client_abort"
            if not call.client_is_gone:
                raise
            task = asyncio.current_task()
            if task is not None:
                task.uncancel()
        except CaptureError:
            await exchange.refuse(refusals.not_recorded(), _ours(call))
        finally:
            exchange.connection.watch = None
            await self._settle(call, outcome)

    async def _asked(self, call: Call) -> Asked:
        """Raises RefusalError 502, 503 or 504."""
        served = call.served
        if not served.endpoint.patience:
            return await ask(self._client, served.pool, call.question)

        def standing() -> Standing:
            now = self._serving().endpoints.get(served.endpoint.name, served)
            return now.pool, now.endpoint.patience

        return await ask_patiently(self._client, standing, call.question)

    async def _answer(self, call: Call) -> str:
        """Returns the outcome."""
        try:
            asked = await self._asked(call)
        except RefusalError as refusal:
            return await _refused(call, refusal)
        upstream = asked.target.upstream
        call.notes.version = upstream.version
        call.notes.overhead = perf_counter() - call.read - asked.waited
        reply = asked.reply
        call.recording.answered(
            reply.status,
            reply.header(b"content-type"),
            content_encoding=reply.header(b"content-encoding"),
            variant=upstream.version,
        )
        relay = Relay(call.exchange, asked, call.recording, call.notes)
        outcome = "client_abort"
        try:
            outcome = await relay.run(
                encoded(_ours(call)), seal=call.record if call.is_sealed else None
            )
        finally:
            asked.account(outcome)
            asked.close()
        return outcome

    async def _settle(self, call: Call, outcome: str) -> None:
        notes = call.notes
        with suppress(CaptureError):  # the client was told, or is gone; the log counts it as lost
            await call.record(outcome)
        usage = call.recording.usage
        if call.exchange.status < 400:
            notes.input_tokens, notes.output_tokens = usage.input_tokens, usage.output_tokens
        if notes.internal is None:
            call.served.limits.settle(call.taken, notes.input_tokens + notes.output_tokens)
        metrics = self._metrics.of(notes.endpoint)
        metrics.duration.observe(perf_counter() - notes.arrived)
        if notes.overhead is not None:
            metrics.overhead.observe(notes.overhead)
        if (first := notes.first_token) is not None:
            metrics.first_token.observe(first)
        self._metrics.tokens(notes.endpoint, input=notes.input_tokens, output=notes.output_tokens)


def _accepted(
    exchange: Exchange, route: Route, serving: Serving, notes: Notes, body: bytes
) -> Call:
    """Raises RefusalError: what it does not accept is in no ledger."""
    read = perf_counter()
    request = parsed(body)
    served = serving.resolve(route.endpoint or request.get("model"))
    notes.endpoint = served.endpoint.name
    notes.stream = request.get("stream") is True
    taken = 0 if notes.internal else served.limits.admit(len(body) // _BYTES_A_TOKEN)
    trace = continued(exchange.headers.get("traceparent"))
    notes.trace_id = trace.trace_id
    arrival = _arrival(exchange, route, notes, served, trace=trace, body=body, request=request)
    try:
        recording = begin(arrival, served.endpoint.delivery, served.log)
    except CaptureError:
        if notes.internal is None:
            served.limits.settle(taken, 0)
        raise refusals.not_recorded() from None
    question = Question(notes.endpoint, route.work, body, request, exchange.headers, trace)
    return Call(exchange, notes, served, question, recording, taken, read)


def _arrival(
    exchange: Exchange,
    route: Route,
    notes: Notes,
    served: Served,
    *,
    trace: TraceContext,
    body: bytes,
    request: dict[str, Any],
) -> Arrival:
    headers = exchange.headers
    return Arrival(
        call_id=notes.call_id,
        ts=notes.ts,
        endpoint=notes.endpoint,
        operation=route.work.value,
        body=body,
        request=request,
        headers=headers,
        trace_id=trace.trace_id,
        span_id=trace.span_id,
        client_request_id=_first(headers, _REQUEST_IDS),
        principal=notes.principal or None,
        model_requested=request.get("model"),
        stream=notes.stream,
        is_internal=notes.internal is not None and not notes.internal.records,
        config_digest=served.endpoint.config_digest,
    )


def _first(headers: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    for name in names:
        if name in headers:
            return headers[name]
    return None


async def _refused(call: Call, refusal: RefusalError) -> str:
    """The upstream gave nothing: the client is told, and so is the record."""
    outcome = "timeout" if refusal.status == _LATE else "upstream_error"
    call.recording.answered(refusal.status, "application/json")
    call.recording.chunk(refusal.body)
    if call.is_sealed:
        await call.record(outcome)
    await call.exchange.refuse(refusal, _ours(call))
    return outcome


def _cancel_when_gone(call: Call) -> None:
    """Stop the upstream's work as soon as nobody waits for it."""
    task = asyncio.current_task()

    def gone() -> None:
        call.client_is_gone = True
        if task is not None:
            task.cancel()

    call.exchange.connection.watch = gone


def _ours(call: Call) -> tuple[tuple[str, str], ...]:
    """What the gateway adds to an answer."""
    overhead = call.notes.overhead
    spent = ((OVERHEAD, f"{overhead * 1000:.3f}"),) if overhead is not None else ()
    return ((CALL_ID, call.notes.call_id), *spent, *call.served.limits.headers())
