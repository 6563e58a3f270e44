"""What capturing a call costs: in the gateway's event loop, in its process, and in the recorder.

Run with `pytest -m bench -n 0 -s tests/bench/bench_capture.py`. Calls of 1 KB asked and 2 KB
answered; the floor is the same two writes a call without sealing: a JSON line each, handed to the
kernel at once. CPU time, the best of LOOPWRIGHT_BENCH_ROUNDS (5) rounds of 20,000 calls, the peers
taking turns. The latency of a durable commit is wall time, one call after the other.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from typing import NamedTuple

import orjson
import pytest

from loopwright.lake.capture.call_log import CallLog
from loopwright.lake.capture.completeness import audit
from loopwright.lake.capture.recorder import Recorder
from loopwright.lake.capture.records import CapturedCall
from loopwright.lake.keys import MasterKey
from loopwright.lake.store import Lake

CALLS = 20_000
ROUNDS = int(os.environ.get("LOOPWRIGHT_BENCH_ROUNDS", "5"))
MICRO = 1_000_000
NOW = 1_790_000_000 * MICRO
REQUEST = orjson.dumps({"model": "m", "messages": [{"role": "user", "content": "word " * 190}]})
ANSWER = {"role": "assistant", "content": "word " * 380}
RESPONSE = orjson.dumps({"model": "m", "choices": [{"message": ANSWER, "finish_reason": "stop"}]})
COLUMNS = {
    "ts": NOW,
    "outcome": "ok",
    "http_status": 200,
    "latency_ms": 812,
    "ttft_ms": 120,
    "overhead_us": 240,
    "capture_rate": 1.0,
    "capture_policy": "sha256:0123456789abcdef",
    "config_digest": b"0123456789abcdef",
    "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
    "session_id": "session-1",
}

pytestmark = pytest.mark.bench


class Round(NamedTuple):
    """Microseconds of CPU a call, and the wall time of a commit."""

    loop: float
    process: float
    recorder: float
    floor: float
    commit_ms: float


@contextmanager
def world() -> Iterator[tuple[Lake, Path]]:
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake.create(Path(folder) / "lake", master=MasterKey(b"\x07" * 32))
        yield lake, Path(folder) / "spool"


def sealed(log: CallLog) -> None:
    for number in range(CALLS):
        ticket = log.accept("chat", call_id=f"0199a8f0-7c1e-7000-8000-{number:012d}", ts=NOW)
        columns = COLUMNS | {"ts": NOW + number}
        log.record(CapturedCall(ticket=ticket, request=REQUEST, response=RESPONSE, columns=columns))


def plain(descriptor: int) -> None:
    for number in range(CALLS):
        call_id = f"0199a8f0-7c1e-7000-8000-{number:012d}"
        os.write(descriptor, orjson.dumps((call_id, number, NOW)) + b"\n")
        facts = orjson.dumps((call_id, number, COLUMNS | {"config_digest": ""}))
        os.write(descriptor, b"".join((facts, REQUEST, RESPONSE, b"\n")))


def cost(work: Callable[[], object]) -> tuple[float, float]:
    """Microseconds of CPU a call: of this thread, and of the process with its other threads."""
    thread, process = time.thread_time(), time.process_time()
    work()
    spent = time.thread_time() - thread, time.process_time() - process
    return spent[0] / CALLS * MICRO, spent[1] / CALLS * MICRO


def one_round(lake: Lake, spool: Path) -> Round:
    log = CallLog.open(spool / "main", lake=lake, gateway_id="bench")
    loop, process = cost(partial(sealed, log))
    waits = [durable(log) for _ in range(20)]
    log.close()
    _, recorder = cost(Recorder(spool, lambda name: lake).step)
    assert audit(lake, spool / "main").complete
    assert lake.status().calls == CALLS + len(waits)
    descriptor = os.open(spool / "plain", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    floor, _ = cost(partial(plain, descriptor))
    os.close(descriptor)
    return Round(loop, process, recorder, floor, median(waits) * 1000)


def test_capturing_a_call() -> None:
    rounds = []
    for _ in range(ROUNDS):
        with world() as (lake, spool):
            rounds.append(one_round(lake, spool))
    best = Round(*map(min, zip(*rounds, strict=True)))
    print(f"\nCPU a call of {len(REQUEST) + len(RESPONSE):,} bytes, best of {ROUNDS} rounds")
    print(f"  event loop (accept + record)   {best.loop:6.1f} us, {best.loop / best.floor:.1f}x")
    print(f"  gateway process, all threads   {best.process:6.1f} us")
    print(f"  two plain writes, the floor    {best.floor:6.1f} us")
    print(f"  recorder, into the lake        {best.recorder:6.1f} us")
    print(f"a durable commit: {best.commit_ms:.1f} ms of wall time, the median of the best round")
    assert best.loop < 25


def durable(log: CallLog) -> float:
    """Seconds until one call more is durable."""
    ticket = log.accept("chat", call_id=f"durable-{time.monotonic_ns()}", ts=NOW)
    log.record(CapturedCall(ticket=ticket, request=b"{}", response=b"{}", columns=COLUMNS))
    begun = time.perf_counter()
    log.commit().result()
    return time.perf_counter() - begun
