"""Which headers travel: from the client to the upstream, and back."""

from __future__ import annotations

from collections.abc import Mapping

from multidict import CIMultiDict

from loopwright.gateway.identifiers import TraceContext

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
) -> CIMultiDict[str]:
    """What the upstream is told. No key of a client, no trace of who the client is.

    Compression is not asked for: what is compressed is held back, and cannot be recorded.
    """
    dropped = _NOT_UP
    if "connection" in headers:
        named = [name.strip().lower() for name in headers["connection"].split(",")]
        dropped = dropped.union(named)
    kept = [
        (name, value)
        for name, value in headers.items()
        if name not in dropped and not name.startswith(_OURS)
    ]
    kept.append(("accept-encoding", "identity"))
    kept.append(("traceparent", trace.traceparent))
    if authorization is not None:
        kept.append(("authorization", authorization))
    if "content-type" not in headers:
        kept.append(("content-type", "application/json"))
    return CIMultiDict(kept)


def downward(raw: tuple[tuple[bytes, bytes], ...]) -> list[tuple[bytes, bytes]]:
    """What the client is told of the upstream's answer."""
    lowered = [(name.lower(), value) for name, value in raw]
    return [
        (name, value)
        for name, value in lowered
        if name not in _NOT_DOWN and not name.startswith(_OURS_RAW)
    ]
