"""Many questions to one server: so many at once, each told as soon as it is answered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Mapping
from typing import Any, Protocol

from loopwright.inference.reply import Reply

Question = tuple[str, str, Mapping[str, Any]]
"""A key of the asker's, the path under the server's url, the request."""
Done = Callable[[str, Reply], Awaitable[None] | None]


class Asks(Protocol):
    """What answers one question: a `Client`."""

    async def ask(self, path: str, request: Mapping[str, Any]) -> Reply: ...


async def ask_all(
    client: Asks,
    questions: AsyncIterable[Question] | Iterable[Question],
    *,
    concurrency: int,
    done: Done,
) -> None:
    """Ask everything, `concurrency` at once; `done` gets each key with its reply.

    Questions are taken only as they can be asked, so they may be a long stream. What `done` or
    the questions raise ends it all, and is raised here as it was.
    """
    source = _one_by_one(questions)

    async def ask_on() -> None:
        async for key, path, request in source():
            told = done(key, await client.ask(path, request))
            if told is not None:
                await told

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(concurrency):
                group.create_task(ask_on())
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None


def _one_by_one(
    questions: AsyncIterable[Question] | Iterable[Question],
) -> Callable[[], AsyncIterator[Question]]:
    """A way for several askers to share one source: each question goes to one of them."""
    if not isinstance(questions, AsyncIterable):
        rest = iter(questions)

        async def at_once() -> AsyncIterator[Question]:
            for question in rest:
                yield question

        return at_once
    coming, turn, nothing = aiter(questions), asyncio.Lock(), object()

    async def in_turn() -> AsyncIterator[Question]:
        while True:
            async with turn:  # an asynchronous generator is asked by one at a time
                question = await anext(coming, nothing)
            if not isinstance(question, tuple):
                return
            yield question

    return in_turn
