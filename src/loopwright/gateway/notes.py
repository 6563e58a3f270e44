"""What is known of one request so far: for its log line, its metrics and its record's timings."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import perf_counter, time_ns
from typing import Any

from loopwright.gateway.capturing import Timings
from loopwright.gateway.identifiers import uuid7
from loopwright.gateway.routing import PATHS, Work
from loopwright.gateway.settings import Internal


@dataclass(slots=True)
class Notes:
    """Moments are of `perf_counter`, durations in seconds. No text, no keys, no users."""

    call_id: str = field(default_factory=uuid7)
    ts: int = field(default_factory=lambda: time_ns() // 1000)
    arrived: float = field(default_factory=perf_counter)
    work: Work | None = None
    principal: str = ""
    internal: Internal | None = None
    """The job of this project that calls."""
    endpoint: str = ""
    version: str = ""
    stream: bool = False
    trace_id: str | None = None
    outcome: str = ""
    overhead: float | None = None
    first: float | None = None
    input_tokens: int = 0
    output_tokens: int = 0

    @property
    def first_token(self) -> float | None:
        """Seconds to the first bytes of a stream; None where nothing is streamed."""
        return self.first - self.arrived if self.first is not None and self.stream else None

    def timings(self) -> Timings:
        """As the record has them, now that the answer has ended."""
        first = self.first_token
        return Timings(
            latency_ms=round((perf_counter() - self.arrived) * 1000),
            ttft_ms=None if first is None else round(first * 1000),
            overhead_us=None if self.overhead is None else round(self.overhead * 1_000_000),
        )

    def line(self, *, method: str, status: int, sent: int) -> dict[str, Any]:
        """The request's line in the access log. The path as it was sent may hold anything."""
        ended, first = perf_counter(), self.first_token
        return {
            "time": datetime.fromtimestamp(self.ts / 1_000_000, UTC),
            "call_id": self.call_id,
            "method": method,
            "path": PATHS[self.work] if self.work else None,
            "status": status,
            "bytes": sent,
            "principal": self.principal or None,
            "endpoint": self.endpoint or None,
            "model_version": self.version or None,
            "outcome": self.outcome or None,
            "stream": self.stream,
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "duration_ms": _milliseconds(ended - self.arrived),
            "overhead_ms": _milliseconds(self.overhead),
            "ttft_ms": _milliseconds(first),
            "trace_id": self.trace_id,
        }


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 3)
