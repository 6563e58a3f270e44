"""What a lake is told of one finished call, and how it gets into the log: or why it does not.

Redaction happens here, before anything is sealed. Text is never logged.
"""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from loopwright.errors import CaptureError
from loopwright.gateway.answers import Said
from loopwright.gateway.own_patterns import SlowPatternError
from loopwright.gateway.redaction import Redactor, redactor
from loopwright.gateway.settings import Delivery
from loopwright.lake.capture.call_log import CallLog
from loopwright.lake.capture.records import CapturedCall, Lost, Ticket

if TYPE_CHECKING:
    from loopwright.gateway.capturing import Arrival, Timings

SESSION_HEADER = "x-loopwright-session"
"""Where the session is found unless the delivery names another header."""

_LARGE = 64 << 10  # redacting more than this takes longer than other calls should wait
_LONGEST_ID = 256
_SUBJECT_FIELDS = ("user", "safety_identifier")
_TOO_DEEP = b'{"unreadable":"nested too deeply"}'

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class End:
    """How a call ended. `status` and `variant` are None when nobody answered."""

    outcome: str
    status: int | None
    variant: str | None
    timings: Timings
    error_type: str | None = None


class Record:
    """The record of one call that was accepted: it ends as delivered, or lost with a reason."""

    def __init__(self, arrival: Arrival, delivery: Delivery, log: CallLog, ticket: Ticket) -> None:
        self._arrival = arrival
        self._delivery = delivery
        self._log = log
        self._ticket = ticket

    async def deliver(self, said: Said, end: End) -> None:
        """Seal the record. Waits until it is durable, and raises CaptureError, if fail-closed."""
        try:
            self._log.record(await self._made(said, end))
        except CaptureError as error:
            self._log.lose(self._ticket, error.reason)
            if self._delivery.fail_closed:
                raise
        except asyncio.CancelledError:
            self._log.lose(self._ticket, Lost.DEFECT)
            raise
        except Exception as error:
            report(error, self._arrival.call_id)
            self._log.lose(self._ticket, Lost.DEFECT)
            if self._delivery.fail_closed:
                raise CaptureError("the call could not be recorded", reason=Lost.DEFECT) from error
        else:
            if self._delivery.fail_closed:
                await asyncio.wrap_future(self._log.commit())

    async def _made(self, said: Said, end: End) -> CapturedCall:
        clean = redactor(self._delivery.redaction, self._log.hash_keys)
        if clean is None:
            return self._call(None, said, end)
        try:
            if len(self._arrival.body) + said.size <= _LARGE:
                return self._call(clean, said, end)
        except SlowPatternError:
            pass  # again, where it holds nobody up
        return await asyncio.to_thread(self._call, clean.patient(), said, end)

    def _call(self, clean: Redactor | None, said: Said, end: End) -> CapturedCall:
        """The record: what is text in it redacted, in its columns, too."""
        arrival, counts = self._arrival, Counter[str]()
        subject, ids = self._subject()
        request = {name: one for name, one in arrival.request.items() if name not in ids}
        columns = self._facts(said, end)
        named = {
            "session_id": self._session(),
            "client_request_id": arrival.client_request_id,
            "model_requested": arrival.model_requested,
        }
        for name, text in named.items():
            if isinstance(text, str) and text:
                columns[name] = (clean.text(text, counts) if clean else text)[:_LONGEST_ID]
        if subject is not None:
            columns["subject_key"] = self._log.hash_keys.subject_key(subject)
        if clean is None:
            asked = _dumped(request | ids) if ids else arrival.body
            answered = said.raw if said.raw is not None else _dumped(said.value)
        else:
            asked = _redacted(request, clean, counts, ids)
            answered = _redacted(said.value, clean, counts, {})
            columns["redactions"] = dict(counts)
        return CapturedCall(
            ticket=self._ticket,
            request=asked,
            response=answered,
            operation=arrival.operation,
            columns=columns,
        )

    def _facts(self, said: Said, end: End) -> dict[str, Any]:
        """Columns that hold no text of anybody's."""
        arrival, delivery, timings = self._arrival, self._delivery, end.timings
        facts = {
            "ts": arrival.ts,
            "gateway_id": self._log.gateway_id,
            "gateway_seq": self._ticket.seq,
            "trace_id": arrival.trace_id,
            "span_id": arrival.span_id,
            "variant": end.variant,
            "config_digest": arrival.config_digest or None,
            "stream": arrival.stream,
            "latency_ms": timings.latency_ms,
            "ttft_ms": timings.ttft_ms,
            "overhead_us": timings.overhead_us,
            "capture_policy": f"{delivery.name}@{delivery.policy_version}".rstrip("@"),
            "capture_rate": delivery.rate,
            **_result(end, said, arrival.operation),
        }
        told = {name: value for name, value in facts.items() if value is not None}
        return {**told, "http_status": end.status}  # nobody's word overrules that none answered

    def _subject(self) -> tuple[str | None, dict[str, str]]:
        """The end user, and pseudonyms for the fields of the request that name one."""
        request, delivery = self._arrival.request, self._delivery
        own, header = delivery.subject_field, delivery.subject_header
        looked_at = (own,) if own else _SUBJECT_FIELDS
        given = {field: _id(request.get(field)) for field in {*looked_at, *_SUBJECT_FIELDS}}
        by_header = self._arrival.headers.get(header.lower()) if header else None
        if by_header:
            given["user"] = by_header
        ids = {field: self._pseudonym(one) for field, one in given.items() if one}
        subject = by_header or next((one for field in looked_at if (one := given[field])), None)
        if own and own in ids:
            ids.setdefault("user", ids[own])  # where datasets look for whom a call is of
        return subject, ids

    def _pseudonym(self, subject: str) -> str:
        """The same for the same user of this lake; datasets are split by it."""
        return f"user-{self._log.hash_keys.subject_key(subject):016x}"

    def _session(self) -> str | None:
        header = self._delivery.session_header or SESSION_HEADER
        metadata = self._arrival.request.get("metadata")
        told = metadata.get("session_id") if isinstance(metadata, dict) else None
        return self._arrival.headers.get(header.lower()) or (
            told if isinstance(told, str) else None
        )


def _id(value: Any) -> str | None:
    """Of an end user: text, or a number that stands for one."""
    return str(value) if type(value) in (str, int) else None


def _result(end: End, said: Said, operation: str) -> dict[str, Any]:
    """How the call went: the gateway's word, and what only the answer tells."""
    body = said.value if isinstance(said.value, dict) else {}
    if end.outcome != "ok":
        return {"outcome": end.outcome, "error_type": end.error_type}
    if body.get("error") or (end.status is not None and end.status >= 400):
        return {"outcome": "upstream_error"}
    if body.get("partial") is True:
        return {"outcome": "upstream_error", "error_type": "stream_cut"}
    if not _is_answer(body, operation, of_upstream=said.raw is not None):
        return {"outcome": "upstream_error", "error_type": "bad_answer"}
    if any(reason == "content_filter" for reason in _finish_reasons(body)):
        return {"outcome": "filtered"}
    return {"outcome": "ok"}


def _is_answer(body: dict[str, Any], operation: str, *, of_upstream: bool) -> bool:
    """Whether there is an answer in it, or could be: what we did not read may be one."""
    if not of_upstream and (
        body.get("truncated") or body.get("unreadable", "damaged") != "damaged"
    ):
        return True
    answers = body.get("data" if operation == "embeddings" else "choices")
    return isinstance(answers, list) and bool(answers)


def _finish_reasons(body: dict[str, Any]) -> Iterator[Any]:
    choices = body.get("choices")
    for choice in choices if isinstance(choices, list) else ():
        if isinstance(choice, dict):
            yield choice.get("finish_reason")


def _redacted(value: Any, clean: Redactor, counts: Counter[str], ids: dict[str, str]) -> bytes:
    found = Counter[str]()
    try:
        body = clean.value(value, found)
    except RecursionError:
        return _TOO_DEEP
    counts.update(found)
    return _dumped(body | ids if ids else body)


def _dumped(value: Any) -> bytes:
    """JSON of the value; a row that says why where JSON cannot be written so deep."""
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:
        return _TOO_DEEP


def report(error: Exception, call_id: str) -> None:
    """Say where capture failed. Not how: an error's message may quote what it failed on."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{type(error).__name__} at {last.filename.rpartition('/')[2]}:{last.lineno}"
    _log.error("a call could not be recorded", extra={"call": call_id, "where": where})
