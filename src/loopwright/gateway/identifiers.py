"""Ids that a gateway makes: of calls and feedback, and of spans in a trace. No I/O."""

from __future__ import annotations

import os
import re
import time
from random import getrandbits
from typing import NamedTuple

_PARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?")


def uuid7(milliseconds: int | None = None) -> str:
    """A UUID of version 7 (RFC 9562): sorts by time, the rest is random."""
    moment = time.time_ns() // 1_000_000 if milliseconds is None else milliseconds
    chance = int.from_bytes(os.urandom(10))
    first, second = moment >> 16 & 0xFFFF_FFFF, moment & 0xFFFF
    third, fourth = 0x7000 | chance >> 68, 0x8000 | chance >> 48 & 0x3FFF
    return f"{first:08x}-{second:04x}-{third:04x}-{fourth:04x}-{chance & 0xFFFF_FFFF_FFFF:012x}"


class TraceContext(NamedTuple):
    """W3C trace context of one call: the caller's trace, or a new one, and our span in it."""

    trace_id: str
    span_id: str
    flags: str = "01"

    @property
    def traceparent(self) -> str:
        """The header that the upstream is given: our span is its parent."""
        return f"00-{self.trace_id}-{self.span_id}-{self.flags}"


def continued(traceparent: str | None) -> TraceContext:
    """A span in the trace that `traceparent` names; in a new one when it is absent or wrong."""
    span = f"{getrandbits(64) or 1:016x}"
    found = _PARENT.fullmatch(traceparent) if traceparent else None
    if found and found[1] != "ff" and int(found[2], 16) and int(found[3], 16):
        return TraceContext(found[2], span, found[4])
    return TraceContext(f"{getrandbits(128) or 1:032x}", span)
