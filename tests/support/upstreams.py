"""A mock upstream: an OpenAI-compatible server on loopback that answers as a test tells it to.

Runs in the event loop of its test (`async with MockUpstream() as upstream`) or in a thread of its
own (`with upstream_in_thread() as upstream`). By default it echoes: the answer holds the last
user message and the model that was asked for.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from support.loops import loop_in_thread

Behaviour = Callable[[web.Request, dict[str, Any]], Awaitable[web.StreamResponse]]


@dataclass
class Asked:
    """One request as it arrived."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        return dict(json.loads(self.body))


@dataclass
class MockUpstream:
    """`behave` decides what is answered; `asked` holds what came in, `dropped` who went away."""

    behave: Behaviour | None = None
    asked: list[Asked] = field(default_factory=list)
    dropped: int = 0
    port: int = 0
    loop: asyncio.AbstractEventLoop | None = None
    tls: ssl.SSLContext | None = None
    _runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        scheme = "https" if self.tls else "http"
        return f"{scheme}://127.0.0.1:{self.port}/v1"

    async def __aenter__(self) -> MockUpstream:
        self.loop = asyncio.get_running_loop()
        app = web.Application(client_max_size=1 << 28)
        app.router.add_post("/v1/{work:.*}", self._serve)
        self._runner = web.AppRunner(
            app, handler_cancellation=True, access_log=None, shutdown_timeout=0.1
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, ssl_context=self.tls)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.asked.append(Asked(request.path, headers, body))
        try:
            said = json.loads(body)
            return await (self.behave or echo)(request, said)
        except (asyncio.CancelledError, ConnectionResetError):
            self.dropped += 1
            raise


async def echo(request: web.Request, said: dict[str, Any]) -> web.StreamResponse:
    """As the real API would: chat, completions and embeddings, streamed or not."""
    work = request.match_info["work"]
    if work == "embeddings":
        return web.json_response(embeddings(said))
    if work == "completions":
        if said.get("stream"):
            return await streamed(request, completion_events(said))
        return web.json_response(completion(said))
    if said.get("stream"):
        return await streamed(request, chat_events(said))
    return web.json_response(chat(said))


def chat(said: dict[str, Any], *, text: str | None = None) -> dict[str, Any]:
    """A chat completion. With `tools` it calls the first of them."""
    message: dict[str, Any] = {"role": "assistant", "content": text or last_words(said)}
    finish = "stop"
    if said.get("tools"):
        finish = "tool_calls"
        function = {"name": said["tools"][0]["function"]["name"], "arguments": '{"city":"杭州"}'}
        message |= {
            "content": None,
            "tool_calls": [{"id": "call_1", "type": "function", "function": function}],
        }
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_760_000_000,
        "model": said.get("model", ""),
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12},
    }


def chat_events(said: dict[str, Any], *, pieces: list[str] | None = None) -> list[bytes]:
    """A stream of chat chunks, the last words one by one, then the usage."""
    words = pieces or [f"{word} " for word in last_words(said).split()]
    shared = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_760_000_000,
              "model": said.get("model", "")}  # fmt: skip
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    deltas += [{"content": word} for word in words]
    chunks = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    chunks.append({"index": 0, "delta": {}, "finish_reason": "stop"})
    events = [event({**shared, "choices": [chunk]}) for chunk in chunks]
    if (said.get("stream_options") or {}).get("include_usage"):
        usage = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}
        events.append(event({**shared, "choices": [], "usage": usage}))
    return [*events, b"data: [DONE]\n\n"]


def completion(said: dict[str, Any]) -> dict[str, Any]:
    choice = {"index": 0, "text": last_words(said), "finish_reason": "stop", "logprobs": None}
    return {
        "id": "cmpl-1",
        "object": "text_completion",
        "created": 1_760_000_000,
        "model": said.get("model", ""),
        "choices": [choice],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
    }


def completion_events(said: dict[str, Any]) -> list[bytes]:
    shared = {"id": "cmpl-1", "object": "text_completion", "created": 1_760_000_000,
              "model": said.get("model", "")}  # fmt: skip
    texts = [f"{word} " for word in last_words(said).split()]
    choices = [{"index": 0, "text": text, "finish_reason": None, "logprobs": None}
               for text in texts]  # fmt: skip
    return [*(event({**shared, "choices": [one]}) for one in choices), b"data: [DONE]\n\n"]


def embeddings(said: dict[str, Any]) -> dict[str, Any]:
    texts = said["input"] if isinstance(said["input"], list) else [said["input"]]
    data = [
        {"object": "embedding", "index": index, "embedding": [0.5, float(index)]}
        for index in range(len(texts))
    ]
    return {"object": "list", "data": data, "model": said.get("model", ""),
            "usage": {"prompt_tokens": 4, "total_tokens": 4}}  # fmt: skip


def last_words(said: dict[str, Any]) -> str:
    """What the user said last, whatever the operation."""
    if "messages" not in said:
        return str(said.get("prompt", ""))
    content = said["messages"][-1]["content"]
    if isinstance(content, str):
        return content
    return " ".join(part.get("text", f"[{part['type']}]") for part in content)


def event(value: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(value, ensure_ascii=False).encode() + b"\n\n"


async def streamed(
    request: web.Request, events: list[bytes], *, pause: float = 0.0
) -> web.StreamResponse:
    """Send `events` one by one."""
    return await streaming(request, _paced(events, pause))


async def streaming(request: web.Request, pieces: AsyncIterator[bytes]) -> web.StreamResponse:
    """Send pieces as they come."""
    response = web.StreamResponse(headers={"content-type": "text/event-stream; charset=utf-8"})
    await response.prepare(request)
    async for piece in pieces:
        await response.write(piece)
    await response.write_eof()
    return response


async def _paced(events: list[bytes], pause: float) -> AsyncIterator[bytes]:
    for one in events:
        yield one
        await asyncio.sleep(pause)


@contextmanager
def upstream_in_thread(
    behave: Behaviour | None = None, *, tls: ssl.SSLContext | None = None
) -> Iterator[MockUpstream]:
    """A mock upstream for tests that have no event loop of their own."""
    upstream = MockUpstream(behave, tls=tls)
    with loop_in_thread() as thread:
        thread.run(upstream.__aenter__())
        try:
            yield upstream
        finally:
            thread.run(upstream.__aexit__())
