"""Which headers travel: from the client to the upstream, and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache

from loopwright.gateway.identifiers import TraceContext

CALL_ID = "x-loopwright-call-id"

_HOP_BY_HOP = frozenset({
    "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection",
    "te", "trailer", "transfer-encoding", "upgrade",
})  # fmt: skip
_NOT_UP = _HOP_BY_HOP | {
    "accept-encoding", "api-key", "authorization", "content-length", "cookie", "expect",
    "forwarded", "host", "traceparent", "x-api-key", "x-forwarded-for", "x-forwarded-host",
    "x-forwarded-proto", "x-real-ip",
}  # fmt: skip
_NOT_DOWN = frozenset(
    name.encode() for name in _HOP_BY_HOP | {"alt-svc", "date", "server", "set-cookie"}
)
_OURS, _OURS_RAW = "x-loopwright-", b"x-loopwright-"


def upward(
    headers: Mapping[str, str], *, authorization: str | None, trace: TraceContext
) -> dict[str, str]:
    """What the upstream is told. No key of a client, no trace of who the client is.

    Compression is not asked for: what is compressed is held back, and cannot be recorded.
    """
    hop = headers.get("connection")
    named = {name.strip().lower() for name in hop.split(",")} if hop else ()
    kept = {name: value for name, value in headers.items() if _goes_up(name) and name not in named}
    kept["accept-encoding"] = "identity"
    kept["traceparent"] = trace.traceparent
    if authorization is not None:
        kept["authorization"] = authorization
    kept.setdefault("content-type", "application/json")
    return kept


@lru_cache(maxsize=1024)
def _goes_up(name: str) -> bool:
    return name not in _NOT_UP and not name.startswith(_OURS)


def downward(raw: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """What the client is told of the upstream's answer."""
    return [(name.lower(), value) for name, value in raw if _goes_down(name)]


@lru_cache(maxsize=1024)
def _goes_down(name: bytes) -> bool:
    lowered = name.lower()
    return lowered not in _NOT_DOWN and not lowered.startswith(_OURS_RAW)
