"""Real text through the gateway: asked by the openai client, recorded, sampled, verified."""

from __future__ import annotations

import asyncio
import csv
import itertools
import json
from pathlib import Path
from typing import Any

import banking77
import openai
import pytest
from aiohttp import web
from checkout import Checkout

from loopwright.daemon.client import DaemonClient
from support.upstreams import chat, chat_events, streamed, upstream_in_thread

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not banking77.SOURCE.is_dir(), reason="the Banking77 files are not here"),
]

MANIFESTS = """\
apiVersion: loopwright.dev/v1alpha1
kind: Provider
metadata: {name: local}
spec: {type: local}
---
apiVersion: loopwright.dev/v1alpha1
kind: Lake
metadata: {name: bank}
spec: {provider: local, storage: .loopwright/lake}
---
apiVersion: loopwright.dev/v1alpha1
kind: Endpoint
metadata: {name: intent-router}
spec: {provider: local, model: {upstream: {url: UPSTREAM, model: teacher}}}
---
apiVersion: loopwright.dev/v1alpha1
kind: Delivery
metadata: {name: intent-router}
spec: {provider: local, endpoint: intent-router, lake: bank, redaction: {detectors: [email, phone]}}
"""
DATASET = """\
---
apiVersion: loopwright.dev/v1alpha1
kind: Dataset
metadata: {name: intents}
spec: {provider: local, source: {lake: bank}, sampling: {ratio: 0.5}, split: {validation: 0.1}}
"""
CALLS, AT_ONCE = 1_000, 16


def rows() -> dict[str, str]:
    """Question -> intent, of the first questions."""
    with (banking77.SOURCE / "train.csv").open(encoding="utf-8", newline="") as source:
        found = itertools.islice(csv.DictReader(source), CALLS)
        return {row["text"]: row["category"] for row in found}


async def ask_all(url: str, questions: list[str]) -> None:
    gate = asyncio.Semaphore(AT_ONCE)
    async with openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=0) as client:

        async def ask(number: int, question: str) -> None:
            async with gate:
                answer: Any = await client.chat.completions.create(
                    model="intent-router",
                    messages=[
                        {"role": "system", "content": banking77.SYSTEM_PROMPT},
                        {"role": "user", "content": question},
                    ],
                    stream=number % 2 == 0,
                )
                if number % 2 == 0:
                    [event async for event in answer]

        await asyncio.gather(*(ask(number, one) for number, one in enumerate(questions)))


def test_questions_through_the_gateway_become_a_verified_dataset(tmp_path: Path) -> None:
    known = rows()

    async def teacher(request: web.Request, said: dict[str, Any]) -> web.StreamResponse:
        intent = known[said["messages"][-1]["content"]]
        if said.get("stream"):
            return await streamed(request, chat_events(said, pieces=[intent[:4], intent[4:]]))
        return web.json_response(chat(said, text=intent))

    (tmp_path / "loopwright.yaml").write_text("gateway: {listen: '127.0.0.1:0'}\n")
    checkout = Checkout(tmp_path)
    with upstream_in_thread(teacher) as upstream:
        (tmp_path / "bank.yaml").write_text(MANIFESTS.replace("UPSTREAM", upstream.url))
        checkout.run("apply --yes --wait")
        (endpoint,) = checkout.json("get Endpoint/intent-router")
        asyncio.run(ask_all(endpoint["outputs"]["url"], list(known)))
    daemon = DaemonClient.of(tmp_path / ".loopwright/default/daemon")
    assert daemon is not None
    assert daemon.flush(seconds=60)
    assert checkout.json("lake audit")["complete"] is True
    assert [one["calls"] for one in checkout.json("lake status")] == [len(known)]

    with (tmp_path / "bank.yaml").open("a") as manifest:
        manifest.write(DATASET)
    checkout.run("apply --yes --wait")
    assert "is as it was built" in checkout.run("dataset verify intents")
    folder = tmp_path / ".loopwright/default/datasets/intents/v1"
    lines = [json.loads(line) for line in (folder / "train.jsonl").read_text().splitlines()]
    assert len(lines) > 0.35 * len(known)
    for line in lines:
        *_, question, answer = (message["content"] for message in line["messages"])
        assert answer == known.get(question, answer), "no answer went to another question"
