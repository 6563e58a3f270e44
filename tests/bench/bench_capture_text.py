"""CPU of what the gateway does with a call's text: joining, redacting, putting streams together.

Thread CPU of the best of several rounds; the log is one that keeps nothing, so sealing is not in.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import orjson
import pytest

from loopwright.gateway.capturing import Arrival, Timings, begin
from loopwright.gateway.reassembly import StreamAssembly
from loopwright.gateway.settings import Delivery, Redaction
from loopwright.lake.capture.records import CapturedCall, Ticket
from loopwright.lake.exchange import HashKeys

ALL = ("email", "phone", "idCard", "bankCard", "apiKey", "ip")
PROSE = "The parcel of the second order came late, and nobody at the desk knew why it did. "
QUESTION = PROSE * 11 + "Please call 138 0013 8000 or write to alice@example.com."
REQUEST = {"model": "support", "messages": [{"role": "user", "content": QUESTION}]}
ANSWER = {
    "id": "chatcmpl-1",
    "model": "m-2026",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": PROSE * 23}}],
    "usage": {"prompt_tokens": 230, "completion_tokens": 450},
}
EVENTS = 50


class NoLog:
    """Takes everything and keeps nothing."""

    gateway_id = "bench"
    hash_keys = HashKeys(subject=b"s" * 32, content=b"c" * 32)

    def accept(self, endpoint: str, *, call_id: str, ts: int, or_refuse: bool = False) -> Ticket:
        return Ticket(endpoint, 1, call_id)

    def record(self, call: CapturedCall) -> None:
        assert call.response

    def commit(self) -> Future[None]:
        raise AssertionError("not fail-closed")


def microseconds(action: Callable[[], object], *, times: int = 300, rounds: int = 7) -> float:
    best = float("inf")
    for _ in range(rounds):
        began = time.thread_time()
        for _ in range(times):
            action()
        best = min(best, (time.thread_time() - began) / times * 1e6)
    return best


def captured(redaction: Redaction) -> float:
    """One call of about 1 KB and its answer of 2 KB, from arrival to the record."""
    body, answer = orjson.dumps(REQUEST), orjson.dumps(ANSWER)
    delivery = Delivery(name="bench", lake="main", redaction=redaction)
    log: Any = NoLog()

    async def call() -> None:
        arrival = Arrival(
            call_id="c",
            ts=1,
            endpoint="support",
            operation="chat",
            body=body,
            request=REQUEST,
            headers={},
        )
        recording = begin(arrival, delivery, log)
        recording.answered(200, "application/json")
        recording.chunk(answer)
        await recording.end("ok", timings=Timings(latency_ms=1))

    with asyncio.Runner() as runner:
        return microseconds(lambda: runner.run(call())) - microseconds(
            lambda: runner.run(asyncio.sleep(0))
        )


def reassembled() -> float:
    """One event of a stream of 50, as OpenAI sends them."""
    top = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m-2026"}
    choice = {"index": 0, "delta": {"content": " late,"}, "logprobs": None, "finish_reason": None}
    event = b"data: " + orjson.dumps({**top, "choices": [choice]}) + b"\n\n"

    def stream() -> None:
        assembly = StreamAssembly()
        for _ in range(EVENTS):
            assembly.feed(event)
        assembly.feed(b"data: [DONE]\n\n")
        assert assembly.finish()["choices"]

    return microseconds(stream) / EVENTS


@pytest.mark.bench
def test_cpu_of_the_text_of_a_call() -> None:
    plain = captured(Redaction())
    built_in = captured(Redaction(ALL))
    own = captured(Redaction(ALL, {"order": re.compile(r"ORD-\d{8}")}))
    event = reassembled()
    print(f"\ncall of 3 KB, not redacted:            {plain:6.1f} us")
    print(f"call of 3 KB, all detectors:           {built_in:6.1f} us")
    print(f"call of 3 KB, and one own pattern:     {own:6.1f} us")
    print(f"event of a stream:                     {event:6.1f} us")
    assert plain < built_in < 20 * plain
