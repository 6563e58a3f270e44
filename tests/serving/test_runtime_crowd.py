"""Many clients at once, some of whom go away, get what each would get alone."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

import openai
import pytest

from loopwright.serving.settings import RuntimeSettings
from support.runtimes import TOKEN, Running, running
from support.tiny_models import make_adapter, make_base

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("bounded", [False, True])
def test_a_crowd_gets_what_each_gets_alone(tmp_path: Path, bounded: bool) -> None:
    base = make_base(tmp_path / "base", layers=2)
    adapters = {f"r@{seed}": make_adapter(base, tmp_path / f"{seed}", seed=seed) for seed in (1, 2)}
    settings = RuntimeSettings(
        weights=base, label="base", announce=tmp_path / "announced.json", adapters=adapters,
        max_batch=6, memory_bytes=600_000 if bounded else None, idle_seconds=0.3,
    )  # fmt: skip
    dice = random.Random(3)
    calls = [_call(dice, ("base", *adapters)) for _ in range(120)]
    with running(settings) as runtime:
        held = asyncio.run(_watched(runtime, calls))
        assert (runtime.worker.running, runtime.worker.waiting) == (0, 0)
        if bounded:
            assert max(held) <= 600_000


async def _watched(runtime: Running, calls: list[dict[str, Any]]) -> list[int]:
    """Memory of the worker while it answers all calls."""
    held = [0]
    asking = asyncio.ensure_future(_ask_all(f"{runtime.url}/v1", calls))
    while not asking.done():
        held.append(runtime.worker.memory)
        await asyncio.sleep(0.002)
    await asking
    return held


def _call(dice: random.Random, labels: tuple[str, ...]) -> dict[str, Any]:
    words = " ".join(
        dice.choices(["bill", "parcel", "wrong", "请问", "never"], k=dice.randint(1, 25))
    )
    told = {
        "model": dice.choice(labels),
        "messages": [{"role": "user", "content": words}],
        "max_tokens": dice.randint(1, 40),
    }
    drawn = {"temperature": 1, "seed": dice.randint(0, 99), "top_p": 0.9, "n": dice.randint(1, 3)}
    return told | dice.choice([{"temperature": 0}, drawn, {"temperature": 0, "stop": ["e", "1"]}])


async def _ask_all(url: str, calls: list[dict[str, Any]]) -> None:
    async with openai.AsyncOpenAI(base_url=url, api_key=TOKEN, max_retries=0) as client:
        alone = [await _texts(client, call) for call in calls[:40]]
        dice = random.Random(4)

        async def among(number: int, call: dict[str, Any]) -> None:
            await asyncio.sleep(dice.random())
            if number >= 40:  # goes away in the middle, or asks once more
                stream = await client.chat.completions.create(**call, stream=True)
                await anext(aiter(stream))
                await stream.close()
            elif number % 2:
                assert await _texts(client, call) == alone[number]
            else:
                assert await _streamed(client, call) == alone[number]

        await asyncio.gather(*(among(number, call) for number, call in enumerate(calls)))


async def _texts(client: openai.AsyncOpenAI, call: dict[str, Any]) -> list[str]:
    answer = await client.chat.completions.create(**call)
    return [choice.message.content for choice in answer.choices]


async def _streamed(client: openai.AsyncOpenAI, call: dict[str, Any]) -> list[str]:
    texts = [""] * call.get("n", 1)
    async for chunk in await client.chat.completions.create(**call, stream=True):
        for choice in chunk.choices:
            texts[choice.index] += choice.delta.content or ""
    return texts
