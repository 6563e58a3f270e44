"""Evaluation of 1,000 items against a server that takes 20 ms, beside a bare asynchronous client.

Run with `pytest -m bench -n 0 -s tests/bench/bench_evaluation.py`. The server is a process of its
own. Rounds alternate, and the middle ratio counts.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import aiohttp
import orjson
import pytest

from loopwright.evaluation.questions import QuestionSet
from loopwright.evaluation.run_folder import RunFolder
from loopwright.evaluation.running import Contestant, Evaluation, run
from loopwright.evaluation.telling import Told, result_of
from loopwright.inference.client import Client, Server
from support.local_worlds import write_lines

ITEMS, CONCURRENCY, ROUNDS, BOUND = 1000, 16, 5, 1.3
SERVER = """
import asyncio, sys
from aiohttp import web

BODY = (b'{"id":"1","object":"chat.completion","model":"m","choices":[{"index":0,"message":'
        b'{"role":"assistant","content":"1"},"finish_reason":"stop"}],"usage":'
        b'{"prompt_tokens":9,"completion_tokens":1,"total_tokens":10}}')

async def chat(request):
    await request.read()
    await asyncio.sleep(0.02)
    return web.Response(body=BODY, content_type="application/json")

async def main():
    app = web.Application()
    app.router.add_post("/v1/chat/completions", chat)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.fixture
def url() -> Iterator[str]:
    with subprocess.Popen(
        [sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        yield f"http://127.0.0.1:{int(server.stdout.readline())}/v1"
        server.terminate()


def bare(url: str, questions: list[dict[str, str]]) -> float:
    """Asks, reads, compares; nothing else."""
    began = time.perf_counter()
    right = 0

    async def ask_all() -> None:
        nonlocal right
        rest = iter(questions)
        async with aiohttp.ClientSession() as session:

            async def ask_on() -> None:
                nonlocal right
                for one in rest:
                    request = {
                        "model": "m",
                        "messages": [{"role": "user", "content": one["question"]}],
                        "temperature": 0,
                    }
                    async with session.post(
                        f"{url}/chat/completions", data=orjson.dumps(request)
                    ) as answer:
                        said = orjson.loads(await answer.read())
                    text = said["choices"][0]["message"]["content"]
                    right += text.strip() == one["expected"]

            await asyncio.gather(*(ask_on() for _ in range(CONCURRENCY)))

    asyncio.run(ask_all())
    assert right == ITEMS // 2
    return time.perf_counter() - began


def ours(url: str, folder: Path, name: str) -> float:
    """From reading the questions to the report's data on disk, nothing known before."""
    began = time.perf_counter()
    evaluation = Evaluation(
        (QuestionSet("c", "s", str(folder / "questions.jsonl"), "exactMatch"),),
        (Contestant("m@1", "m", f"sha256:{name}"),),
        concurrency=CONCURRENCY,
    )
    finished = run(
        evaluation,
        lambda endpoint: Client(Server(url, endpoint)),
        cache=folder / "cache",
        tag=name,
    )
    result = result_of(evaluation, finished, Told("bench", 1, "s"))
    RunFolder(folder / name).write(result, finished.records)
    assert result.subjects[0].composite is not None
    assert result.subjects[0].composite.score == 50
    return time.perf_counter() - began


@pytest.mark.bench
def test_an_evaluation_takes_little_more_time_than_asking(url: str, tmp_path: Path) -> None:
    questions = [{"question": f"question {n}", "expected": str(n % 2)} for n in range(ITEMS)]
    write_lines(tmp_path / "questions.jsonl", questions)
    bare(url, questions), ours(url, tmp_path, "warm")
    ratios, times = [], []
    for number in range(ROUNDS):
        floor, taken = bare(url, questions), ours(url, tmp_path, f"r{number}")
        ratios.append(taken / floor)
        times.append((floor, taken))
    for floor, taken in times:
        print(f"bare {floor:.2f} s, ours {taken:.2f} s, ratio {taken / floor:.2f}")
    print(f"{ITEMS} items at {CONCURRENCY} at once: {median(ratios):.2f} (at most {BOUND})")
    assert median(ratios) <= BOUND
