"""Real trainings and batches whose processes are killed at any moment: one run, nothing twice."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import web

from loopwright.providers.base import Operation, Resolved, Target
from loopwright.providers.local.job_folder import JobFolder
from loopwright.providers.local.jobs import job_id
from loopwright.providers.local.registered import registry_of
from support.daemons import ending
from support.local_worlds import LocalWorld, line, resolved, succeeded, write_lines
from support.upstreams import chat, upstream_in_thread


def tuning(world: LocalWorld) -> Target:
    write_lines(world.folder / "calls.jsonl", [line(n) for n in range(40)])
    lake = world.lake()
    world.imported(lake, "calls.jsonl")
    dataset = world.dataset(lake, sampling={"ratio": 1.0})
    made = resolved(dataset, world.made(dataset))
    knobs = {"maxSteps": 80, "batchSize": 8, "checkpointSteps": 5, "learningRate": 0.001}
    target = world.target(
        "FineTuneJob",
        "router",
        inputs={"dataset": made},
        base="builtin:tiny-chat",
        method="full",
        dataset="Dataset/set",
        hyperparameters=knobs,
    )
    return replace(target, fingerprint="the same")


def children_of(pid: int) -> list[int]:
    with suppress(OSError):
        return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def killed(world: LocalWorld, target: Target, shots: list[tuple[float, bool]]) -> Operation:
    """Made, with its worker or its training child killed after each of these times."""
    adapter, key = world.adapter(target.address.kind), world.key()
    folder = JobFolder(world.provider.places.jobs / job_id(key))
    operation = adapter.create(target, key)
    for pause, is_child in shots:
        time.sleep(pause)
        worker = folder.worker()
        if operation.status.is_terminal or worker is None:
            break
        if is_child:
            for child in children_of(worker.pid):
                with suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
        else:
            folder.send(signal.SIGKILL)
        operation = adapter.poll(target, operation)
    while not operation.status.is_terminal:
        time.sleep(0.2)
        operation = adapter.poll(target, operation)
    return operation


@pytest.mark.slow
def test_a_training_that_is_killed_comes_to_the_same_weights_in_one_run(tmp_path: Path) -> None:
    undisturbed, disturbed = LocalWorld(tmp_path / "calm"), LocalWorld(tmp_path / "storm")
    for world in (undisturbed, disturbed):
        world.folder.mkdir()
    calm = succeeded(undisturbed.made(tuning(undisturbed)))
    chance = random.Random(7)
    shots = [(chance.uniform(5, 14), at % 2 == 0) for at in range(4)]
    storm = succeeded(killed(disturbed, tuning(disturbed), shots))
    assert storm.outputs["digest"] == calm.outputs["digest"]
    registry = registry_of(disturbed.provider.places)
    assert registry.versions("router") == (1,)
    registry.verify(registry.get("router", 1))
    assert storm.outputs["steps"] == calm.outputs["steps"] == 80
    assert storm.outputs["tokens"] == calm.outputs["tokens"]


@pytest.mark.slow
def test_a_batch_that_is_killed_loses_no_line_and_pays_for_no_answer_twice(tmp_path: Path) -> None:
    """Through a real gateway; what was on its way at a kill may have been answered unheard."""
    lines, at_once, kills = 400, 4, 3
    world, answered = LocalWorld(tmp_path), Counter[str]()

    async def behave(request: web.Request, said: dict[str, Any]) -> web.StreamResponse:
        answered[said["messages"][-1]["content"]] += 1
        return web.json_response(chat(said))

    with upstream_in_thread(behave) as upstream, ending(world.provider.places.state):
        serving = world.target(
            "Endpoint", "chat", model={"upstream": {"url": upstream.url, "model": "teacher"}}
        )
        endpoint = resolved(serving, world.made(serving))
        asked = [{"messages": [{"role": "user", "content": f"question {n}"}]} for n in range(lines)]
        write_lines(world.folder / "in.jsonl", asked)
        target = asking(world, endpoint, concurrency=at_once)
        adapter, key = world.adapter("BatchInference"), world.key()
        folder = JobFolder(world.provider.places.jobs / job_id(key))
        operation = adapter.create(target, key)
        shots = [share * lines // 5 for share in range(1, kills + 1)]
        while not operation.status.is_terminal:
            if shots and len(answered) > shots[0]:
                folder.send(signal.SIGKILL)
                shots.pop(0)
            time.sleep(0.02)
            operation = adapter.poll(target, operation)
    assert not shots
    succeeded(operation)
    rows = (tmp_path / "answers/output.jsonl").read_bytes().splitlines()
    found = [orjson.loads(row) for row in rows]
    assert [row["custom_id"] for row in found] == [f"line-{n}" for n in range(1, lines + 1)]
    assert len(answered) == lines
    assert answered.total() - lines <= kills * at_once


def asking(world: LocalWorld, endpoint: Resolved, **spec: Any) -> Target:
    target = world.target(
        "BatchInference",
        "ask",
        inputs={"endpoint": endpoint},
        endpoint="chat",
        input={"file": "in.jsonl"},
        output="answers",
        **spec,
    )
    return replace(target, fingerprint="the same")
