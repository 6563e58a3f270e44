"""A mock upstream that answers with as little work as HTTP allows: to measure what is before it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any

import httptools
import uvloop

EVENTS = 50
ANSWER = {
    "id": "chatcmpl-1", "object": "chat.completion", "created": 1_760_000_000, "model": "m-2026",
    "choices": [{"index": 0, "finish_reason": "stop",
                 "message": {"role": "assistant", "content": "word " * 350}}],
    "usage": {"prompt_tokens": 200, "completion_tokens": 350, "total_tokens": 550},
}  # fmt: skip


def serve(ready: Callable[[int], object]) -> None:
    """Answer for ever on a free port, which `ready` is told: one body, or a stream of EVENTS."""
    body = json.dumps(ANSWER).encode()
    whole = _head("application/json", f"content-length: {len(body)}") + body
    streamed = _head("text/event-stream", "transfer-encoding: chunked")
    events = [_chunked(event) for event in _events()]

    class Upstream(asyncio.Protocol):
        def connection_made(self, transport: Any) -> None:
            self.transport = transport
            self.parser = httptools.HttpRequestParser(self)
            self.body = b""

        def data_received(self, data: bytes) -> None:
            self.parser.feed_data(data)

        def on_body(self, body: bytes) -> None:
            self.body += body

        def on_message_complete(self) -> None:
            wants_stream, self.body = b'"stream"' in self.body, b""
            if not wants_stream:
                self.transport.write(whole)
                return
            self.transport.write(streamed)
            for event in events:
                self.transport.write(event)
            self.transport.write(b"0\r\n\r\n")

    async def run() -> None:
        server = await asyncio.get_running_loop().create_server(Upstream, "127.0.0.1", 0)
        ready(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    uvloop.run(run())


def _head(kind: str, *lines: str) -> bytes:
    told = ["HTTP/1.1 200 OK", f"content-type: {kind}", *lines]
    return ("\r\n".join(told) + "\r\n\r\n").encode()


def _events() -> Iterator[bytes]:
    shared = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_760_000_000,
              "model": "m-2026"}  # fmt: skip
    for number in range(EVENTS - 1):
        delta = {"content": f"word{number} "}
        chunk = {**shared, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
        yield b"data: " + json.dumps(chunk).encode() + b"\n\n"
    yield b"data: [DONE]\n\n"


def _chunked(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)
