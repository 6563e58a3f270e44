"""One call as the gateway tells of it: begun, answered, over; recorded when its delivery says so.

Nothing that goes wrong in here reaches the client, unless the delivery is fail-closed. What a
record says is `captured`'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from loopwright.errors import CaptureError
from loopwright.gateway.answers import LARGEST_ANSWER, Answer, Said
from loopwright.gateway.captured import End, Record, report
from loopwright.gateway.settings import Delivery
from loopwright.lake.capture.call_log import CallLog
from loopwright.lake.capture.records import Excluded, Lost
from loopwright.lake.columns import SKEY_RING, skey
from loopwright.lake.exchange import token_counts

_DEFECT = Said({"unreadable": "defect"})  # a row without its answer says more than no row
_UNRECORDED_BYTES = 1 << 20  # enough to count the tokens of an answer that nobody records


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """Facts of a request. `ts` in microseconds since the epoch; header names in lower case.

    `operation` is chat, completion or embeddings; `request` is `body` parsed.
    """

    call_id: str
    ts: int
    endpoint: str
    operation: str
    body: bytes
    request: dict[str, Any]
    headers: Mapping[str, str]
    trace_id: str | None = None
    span_id: str | None = None
    client_request_id: str | None = None
    principal: str | None = None
    model_requested: str | None = None
    stream: bool = False
    is_internal: bool = False
    """Of a job of the project itself, whose calls no lake is to hold."""
    config_digest: bytes = b""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of a call, as the upstream counted them, or `estimated` from the text."""

    input_tokens: int = 0
    output_tokens: int = 0
    estimated: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Timings:
    """From arrival to the last byte, to the first byte of the answer, and what we added."""

    latency_ms: int
    ttft_ms: int | None = None
    overhead_us: int | None = None


class Recording:
    """One call: gathers its answer and counts its tokens, and hands it to the log if it may.

    `usage` holds once the call has ended.
    """

    def __init__(self, arrival: Arrival, record: Record | None = None) -> None:
        self.usage = Usage()
        self._arrival = arrival
        self._record = record
        self._answer: Answer | None = None
        self._status: int | None = None
        self._variant: str | None = None
        self._is_broken = self._has_ended = False

    def answered(
        self,
        status: int,
        content_type: str,
        *,
        content_encoding: str = "",
        variant: str | None = None,
    ) -> None:
        """The answer's headers are there; `variant` says which upstream gave it."""
        limit = LARGEST_ANSWER if self._record else _UNRECORDED_BYTES
        self._answer = Answer(content_type, content_encoding, limit=limit)
        self._status, self._variant = status, variant

    def chunk(self, data: bytes) -> None:
        """Bytes of the answer, after the client was given them. Never raises."""
        if self._answer is None or self._is_broken:
            return
        try:
            self._answer.add(data)
        except Exception as error:
            self._is_broken = True
            report(error, self._arrival.call_id)

    async def end(self, outcome: str, *, timings: Timings, error_type: str | None = None) -> None:
        """The call is over: ok, upstream_error, client_abort, timeout or filtered.

        `error_type` says more of an outcome that is not ok, where the answer does not.

        Returns when the record is durable if the delivery is fail-closed; then, and only then,
        raises CaptureError when it is not.
        """
        if self._has_ended:
            return
        self._has_ended = True
        said = self._said(outcome)
        if self._record is not None:
            end = End(outcome, self._status, self._variant, timings, error_type)
            await self._record.deliver(said, end)

    def _said(self, outcome: str) -> Said:
        """What was answered; counts its tokens."""
        if self._is_broken:
            return _DEFECT
        try:
            said = (self._answer or Answer("")).finish(ended_well=outcome == "ok")
            response = said.value if isinstance(said.value, dict) else {}
            counts = token_counts(self._arrival.operation, self._arrival.request, response)
        except Exception as error:
            report(error, self._arrival.call_id)
            return _DEFECT
        self.usage = Usage(
            counts["input_tokens"], counts["output_tokens"], counts["tokens_estimated"]
        )
        return said


def begin(arrival: Arrival, delivery: Delivery | None, log: CallLog | None) -> Recording:
    """Mark the call as accepted and start recording it, if it is one that is recorded.

    Without `delivery` tokens are counted and nothing is kept. Raises CaptureError only when the
    delivery is fail-closed and the log takes no marker, or there is none.
    """
    if delivery is None:
        return Recording(arrival)
    is_sealed = delivery.fail_closed and not arrival.is_internal
    try:
        if log is None:
            raise CaptureError(
                f"the log of lake {delivery.lake} is not open",
                reason=Lost.LAKE,
                hint="look at `loopwright serve --status`",
            )
        ticket = log.accept(
            arrival.endpoint,
            call_id=arrival.call_id,
            ts=arrival.ts,
            or_refuse=is_sealed,
        )
    except CaptureError:
        if is_sealed:
            raise
        return Recording(arrival)
    if arrival.is_internal:
        log.exclude(ticket, Excluded.INTERNAL)
        return Recording(arrival)
    if not is_recorded(arrival.call_id, delivery.rate):
        log.exclude(ticket, Excluded.RATE)
        return Recording(arrival)
    return Recording(arrival, Record(arrival, delivery, log, ticket))


def is_recorded(call_id: str, rate: float) -> bool:
    """Whether the call is in the share `rate`. A call in a share is in every larger one."""
    return rate >= 1 or skey(call_id) < int(rate * SKEY_RING)
