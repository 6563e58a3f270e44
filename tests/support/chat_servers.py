"""A chat server for tests of evaluations: says what a function of the request does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from support.upstreams import chat, upstream_in_thread

Request = Mapping[str, Any]


@dataclass
class ChatServer:
    """`status` refuses everything, `refuse` what it holds for; `asked` counts by model."""

    answer: Callable[[Request], str]
    url: str = ""
    status: int = 200
    refuse: Callable[[Request], bool] = lambda _: False
    asked: Counter[str] = field(default_factory=Counter)

    async def behave(self, _: web.Request, said: dict[str, Any]) -> web.StreamResponse:
        self.asked[said["model"]] += 1
        status = 400 if self.refuse(said) else self.status
        if status != 200:
            return web.json_response({"error": {"message": "no"}}, status=status)
        return web.json_response(chat(said, text=self.answer(said)))


@contextmanager
def chat_server(answer: Callable[[Request], str]) -> Iterator[ChatServer]:
    """One that serves until the block ends."""
    server = ChatServer(answer)
    with upstream_in_thread(server.behave) as upstream:
        server.url = upstream.url
        yield server
