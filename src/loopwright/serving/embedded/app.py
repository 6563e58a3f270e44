"""The ASGI app of a runtime: OpenAI's routes, vLLM's for adapters, health and status."""

from __future__ import annotations

import asyncio
import hmac
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import orjson

from loopwright.errors import LoopwrightError
from loopwright.models.imprint import Imprint
from loopwright.serving.embedded.answers import Answer
from loopwright.serving.embedded.catalog import Catalog, Served
from loopwright.serving.embedded.generation import Generation, Piece
from loopwright.serving.embedded.memory import resident
from loopwright.serving.embedded.ordering import Call, chat_call, completion_call
from loopwright.serving.embedded.refusals import (
    RefusalError,
    busy,
    defect,
    invalid,
    no_route,
    unauthorized,
)
from loopwright.serving.embedded.requests import (
    AdapterRequest,
    ChatRequest,
    CompletionRequest,
    parsed,
)
from loopwright.serving.embedded.worker import News, Worker

_log = logging.getLogger(__name__)

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Queue = asyncio.Queue[tuple[int, Piece] | None]

_LARGEST = 16 << 20
_JSON = [(b"content-type", b"application/json")]
_EVENTS = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-cache")]


class ClientGoneError(Exception):
    """Nobody waits for the answer any more."""


class App:
    """Answers with `worker` for whoever shows the token."""

    def __init__(
        self,
        worker: Worker,
        catalog: Catalog,
        *,
        token: str,
        most_waiting: int,
        describe: Callable[[str, Path], Served],
    ) -> None:
        """`describe` reads what has to be known of an adapter; it blocks."""
        self._worker, self._catalog = worker, catalog
        self._most_waiting, self._describe = most_waiting, describe
        self._expected = f"Bearer {token}".encode()
        self._changing = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._route(scope, receive, send)
        except RefusalError as refusal:
            await _answer(send, refusal.text, status=refusal.status, retry=refusal.retry_after)
        except ClientGoneError:
            pass
        except Exception as error:
            _log.exception("the runtime failed at a call")
            await _answer(send, defect(type(error).__name__).text, status=500)

    async def _route(self, scope: Scope, receive: Receive, send: Send) -> None:
        method, path = scope["method"], scope["path"]
        if (method, path) == ("GET", "/health"):
            await _answer(send, b'{"status":"ok"}')
            return
        self._check(scope)
        if (method, path) == ("GET", "/v1/models"):
            await _answer(send, orjson.dumps(self._catalog.listed))
        elif (method, path) == ("GET", "/status"):
            await _answer(send, orjson.dumps(self._status()))
        elif method == "POST":
            await self._post(path, receive, send)
        else:
            raise no_route(method, path)

    async def _post(self, path: str, receive: Receive, send: Send) -> None:
        if path == "/v1/chat/completions":
            chat = parsed(ChatRequest, await _body(receive))
            call = chat_call(chat, self._catalog.find(chat.model))
            await self._generate(call, receive, send)
        elif path == "/v1/completions":
            text = parsed(CompletionRequest, await _body(receive))
            call = completion_call(text, self._catalog.find(text.model))
            await self._generate(call, receive, send)
        elif path == "/v1/load_lora_adapter":
            await self._load(parsed(AdapterRequest, await _body(receive)))
            await _answer(send, b'{"status":"ok"}')
        elif path == "/v1/unload_lora_adapter":
            await self._unload(parsed(AdapterRequest, await _body(receive)))
            await _answer(send, b'{"status":"ok"}')
        else:
            raise no_route("POST", path)

    def _check(self, scope: Scope) -> None:
        shown = dict(scope["headers"]).get(b"authorization", b"")
        if not hmac.compare_digest(shown, self._expected):
            raise unauthorized()

    def _status(self) -> dict[str, Any]:
        worker = self._worker
        return {
            "loaded": worker.is_loaded,
            "models": list(self._catalog.labels),
            "memory": worker.memory,
            "resident": resident(),
            "running": worker.running,
            "waiting": worker.waiting,
            "tokens": worker.tokens,
        }

    async def _load(self, asked: AdapterRequest) -> None:
        folder = Path(asked.lora_path)
        if asked.lora_name == self._catalog.base.label:
            raise invalid(f"{asked.lora_name} is the base itself", "lora_name")
        if not asked.lora_path or not folder.is_dir():
            raise invalid(f"there is no folder {asked.lora_path!r} here", "lora_path")
        imprint = Imprint(asked.lora_files, asked.lora_remembered)
        async with self._changing:
            try:
                await asyncio.to_thread(imprint.check, folder)
                served = await asyncio.to_thread(self._describe, asked.lora_name, folder)
                await asyncio.wrap_future(self._worker.add(asked.lora_name, folder, imprint))
            except LoopwrightError as error:
                raise invalid(error.message, "lora_path") from None
            self._catalog.add(served)

    async def _unload(self, asked: AdapterRequest) -> None:
        async with self._changing:
            if self._catalog.find(asked.lora_name).parent is None:
                raise invalid(f"{asked.lora_name} is the base itself", "lora_name")
            self._catalog.remove(asked.lora_name)
            await asyncio.wrap_future(self._worker.remove(asked.lora_name))

    async def _generate(self, call: Call, receive: Receive, send: Send) -> None:
        waiting = self._worker.waiting
        if waiting >= self._most_waiting:
            raise busy(waiting)
        queue: Queue = asyncio.Queue()
        decode = call.served.tokens.decode
        generations = [
            Generation(order, decode, partial(_put, queue, number))
            for number, order in enumerate(call.orders)
        ]
        gone = asyncio.ensure_future(_watch(receive, queue))
        self._worker.submit(generations)
        try:
            answer = Answer(call)
            if call.request.stream:
                await _stream(answer, generations, queue, send)
            else:
                await _whole(answer, generations, queue, send)
        finally:
            gone.cancel()
            self._worker.cancel(generations)


def deliver_in(loop: asyncio.AbstractEventLoop) -> Callable[[News], None]:
    """How the worker's thread tells news to those that wait in `loop`."""

    def tell(news: News) -> None:
        for generation, piece in news:
            generation.sink(piece)

    def deliver(news: News) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(tell, news)

    return deliver


def _put(queue: Queue, number: int, piece: Piece) -> None:
    queue.put_nowait((number, piece))


async def _watch(receive: Receive, queue: Queue) -> None:
    """Put None when the client goes away."""
    while (await receive())["type"] != "http.disconnect":
        pass
    queue.put_nowait(None)


async def _next(queue: Queue) -> tuple[int, Piece]:
    """The next news. Raises ClientGoneError, and the RefusalError that the worker gave."""
    found = await queue.get()
    if found is None:
        raise ClientGoneError
    if found[1].error is not None:
        raise found[1].error
    return found


async def _whole(answer: Answer, generations: list[Generation], queue: Queue, send: Send) -> None:
    open_texts = len(generations)
    while open_texts:
        number, piece = await _next(queue)
        answer.choices[number].add(piece)
        open_texts -= piece.is_last
    spent = sum(each.spent for each in generations)
    await _answer(send, answer.whole(spent))


async def _stream(answer: Answer, generations: list[Generation], queue: Queue, send: Send) -> None:
    open_texts = len(generations)
    number, piece = await _next(queue)  # what is refused is refused before the stream begins
    await send({"type": "http.response.start", "status": 200, "headers": _EVENTS})
    try:
        while True:
            events = answer.event(number, piece)
            open_texts -= piece.is_last
            while open_texts and not queue.empty():
                number, piece = await _next(queue)
                events += answer.event(number, piece)
                open_texts -= piece.is_last
            if not open_texts:
                events += answer.last_events(sum(each.spent for each in generations))
            await send({"type": "http.response.body", "body": events, "more_body": open_texts > 0})
            if not open_texts:
                return
            number, piece = await _next(queue)
    except RefusalError as refusal:  # too late for a status: told as an event
        body = b"data: " + refusal.text + b"\n\n"
        await send({"type": "http.response.body", "body": body, "more_body": False})


async def _body(receive: Receive) -> bytes:
    parts: list[bytes] = []
    length = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise ClientGoneError
        parts.append(message.get("body", b""))
        length += len(parts[-1])
        if length > _LARGEST:
            raise RefusalError(413, f"the body is larger than {_LARGEST >> 20} MiB")
        if not message.get("more_body"):
            return b"".join(parts)


async def _answer(send: Send, body: bytes, *, status: int = 200, retry: int | None = None) -> None:
    headers = [*_JSON, (b"content-length", str(len(body)).encode())]
    if retry is not None:
        headers.append((b"retry-after", str(retry).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
