"""Endpoints that serve models of this machine, and candidates that take over in steps."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from loopwright.clock import SystemClock
from loopwright.errors import PermanentError
from loopwright.manifests.project import Project
from loopwright.providers.base import (
    FieldChange,
    Operation,
    OperationStatus,
    ProviderContext,
    Target,
)
from loopwright.providers.local import factory
from loopwright.providers.local.connection import Connection
from loopwright.providers.local.endpoint import EndpointAdapter
from loopwright.serving.settings import RuntimeSettings
from support.daemons import eventually
from support.daemons_here import DaemonHere, daemon_here
from support.http_clients import call
from support.local_worlds import LocalWorld
from support.upstreams import MockUpstream, echo, upstream_in_thread

CANARY = {"steps": (20, 50), "interval": "1s", "minCalls": 8, "maxErrorRate": 0.2}


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaemonHere]:
    with daemon_here(tmp_path_factory.mktemp("project")) as found:
        yield found


@pytest.fixture
def adapter(here: DaemonHere) -> EndpointAdapter:
    context = ProviderContext(
        name="here",
        connection=Connection(),
        project_dir=here.project,
        state_dir=here.folder.state,
        clock=SystemClock(),
        project=Project.model_validate({"gateway": {"listen": "127.0.0.1:0"}}),
    )
    found = factory.build(context).adapters["Endpoint"]
    assert isinstance(found, EndpointAdapter)
    return found


def write_base(folder: Path, *, weight: float = 1.0) -> str:
    """What looks like a base model from outside; its name in a manifest."""
    folder.mkdir(exist_ok=True)
    header = json.dumps({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    data = struct.pack("<Q", len(header)) + header + struct.pack("<f", weight)
    (folder / "model.safetensors").write_bytes(data)
    (folder / "config.json").write_text('{"model_type": "qwen3"}')
    (folder / "tokenizer.json").write_text("{}")
    return f"./{folder.name}"


def target(here: DaemonHere, model: dict[str, Any], **spec: Any) -> Target:
    return LocalWorld(here.project).target("Endpoint", "chat", model=model, **spec)


def ended(adapter: EndpointAdapter, wanted: Target, operation: Operation) -> Operation:
    """Polled until it is over."""

    def is_over() -> bool:
        nonlocal operation
        operation = adapter.poll(wanted, operation)
        return operation.status.is_terminal

    eventually(is_over)
    return operation


def ask(here: DaemonHere) -> tuple[int, str]:
    said = {"model": "chat", "messages": [{"role": "user", "content": "hello"}]}
    told = call(f"{here.url}/chat/completions", said)
    return told.status, str(told.json.get("model", ""))


def changed(before: Target, after: Target) -> list[FieldChange]:
    return [FieldChange("model", before.spec["model"], after.spec["model"])]


def test_a_base_model_is_loaded_told_and_replaced(
    here: DaemonHere, adapter: EndpointAdapter
) -> None:
    first = target(here, {"base": write_base(here.project / "one")})
    second = target(here, {"base": write_base(here.project / "two", weight=2)})
    operation = ended(adapter, first, adapter.create(first, "key-1"))
    assert operation.status is OperationStatus.SUCCEEDED, operation.message
    assert operation.outputs["serves"] == "./one"
    assert ask(here) == (200, "./one")
    (settings,) = here.folder.path.rglob("runtime.json")
    told = RuntimeSettings.read(settings).imprint("./one")
    assert {"model.safetensors", "config.json", "tokenizer.json"} == told.files.keys()
    assert Path(told.remembered).is_file()
    pins = adapter.pins(first)
    assert pins == {"model.base": operation.outputs["modelDigest"]}

    found = adapter.observe(first, "chat")
    assert found is not None
    assert (found.ready, found.status, found.spec["model"]) == (True, "running", {"base": "./one"})
    operation = ended(adapter, second, adapter.update(second, found, changed(first, second), "k"))
    assert operation.outputs["serves"] == "./two"
    assert operation.outputs["modelDigest"] != pins["model.base"]
    assert ask(here) == (200, "./two")


def test_a_model_that_is_not_whole_is_refused_before_anything_changes(
    here: DaemonHere, adapter: EndpointAdapter
) -> None:
    good = target(here, {"base": write_base(here.project / "one")})
    ended(adapter, good, adapter.create(good, "key"))
    bad = target(here, {"base": write_base(here.project / "three")})
    (here.project / "three" / "model.safetensors").unlink()
    found = adapter.observe(good, "chat")
    assert found is not None
    with pytest.raises(PermanentError, match="safetensors"):
        adapter.update(bad, found, changed(good, bad), "key-2")
    assert ask(here) == (200, "./one")


def behaving(upstream: MockUpstream, *, status: int) -> None:
    async def answer(request: web.Request, said: dict[str, Any]) -> web.StreamResponse:
        return await echo(request, said) if status == 200 else web.json_response({}, status=status)

    upstream.behave = answer


def promoted(
    here: DaemonHere, adapter: EndpointAdapter, upstream: MockUpstream, *, status: int
) -> tuple[Target, Operation]:
    """A candidate that takes over in steps from a base model, under traffic, to its end."""
    behaving(upstream, status=status)
    before = target(here, {"base": write_base(here.project / "one")})
    ended(adapter, before, adapter.create(before, "made"))
    after = target(here, {"upstream": {"url": upstream.url, "model": "candidate"}})
    after = replace(after, canary=CANARY)
    found = adapter.observe(before, "chat")
    assert found is not None
    key = f"promotes-to-{status}"
    operation = adapter.update(after, found, changed(before, after), key)
    assert operation.status is OperationStatus.RUNNING
    again = adapter.update(after, found, changed(before, after), key)
    assert again.progress is not None
    assert (again.status, again.progress.total) == (OperationStatus.RUNNING, 100)
    meanwhile = adapter.observe(before, "chat")
    assert meanwhile is not None
    assert (meanwhile.spec["model"], meanwhile.ready) == ({"base": "./one"}, True)
    assert meanwhile.outputs["serves"] == "./one"

    def is_over() -> bool:
        nonlocal operation
        for _ in range(20):
            ask(here)
        operation = adapter.poll(after, operation)
        return operation.status.is_terminal

    eventually(is_over)
    return after, operation


def test_a_candidate_that_does_well_answers_every_call_in_the_end(
    here: DaemonHere, adapter: EndpointAdapter
) -> None:
    with upstream_in_thread() as upstream:
        after, operation = promoted(here, adapter, upstream, status=200)
        assert operation.status is OperationStatus.SUCCEEDED, operation
        assert operation.outputs["serves"] == "candidate"
        assert adapter.poll(after, replace(operation, status=OperationStatus.RUNNING)) == operation
        assert {ask(here)[1] for _ in range(20)} == {"candidate"}
        found = adapter.observe(after, "chat")
        assert found is not None
        assert found.spec["model"] == after.spec["model"]
        limit = replace(target(here, dict(after.spec["model"]), rateLimit={"rpm": 9, "tpm": 9}))
        change = FieldChange("rateLimit", None, limit.spec["rateLimit"])
        ended(adapter, limit, adapter.update(limit, found, [change], "limits"))
        held = here.folder.endpoints.get("chat")
        assert held is not None
        assert (held.canary, held.spec["model"]) == (None, after.spec["model"])


def test_a_candidate_that_fails_calls_goes_back_by_itself_with_the_numbers(
    here: DaemonHere, adapter: EndpointAdapter
) -> None:
    with upstream_in_thread() as upstream:
        after, operation = promoted(here, adapter, upstream, status=500)
        assert operation.status is OperationStatus.FAILED
        assert operation.refused.startswith("error rate 100 % > 20 % at 20 % (")
        assert {ask(here) for _ in range(20)} == {(200, "./one")}
        found = adapter.observe(after, "chat")
        assert found is not None
        assert (found.ready, found.spec["model"]) == (True, {"base": "./one"})
        plain = target(here, {"base": "./one"}, rateLimit={"rpm": 900, "tpm": 90_000})
        change = FieldChange("rateLimit", None, plain.spec["rateLimit"])
        ended(adapter, plain, adapter.update(plain, found, [change], "limits-2"))
        held = here.folder.endpoints.get("chat")
        assert held is not None
        assert (held.canary, held.spec["model"]) == (None, {"base": "./one"})
        assert ask(here) == (200, "./one")


def test_a_takeover_that_a_person_ends_is_over_at_once(
    here: DaemonHere, adapter: EndpointAdapter
) -> None:
    with upstream_in_thread() as upstream:
        behaving(upstream, status=200)
        before = target(here, {"base": write_base(here.project / "one")})
        ended(adapter, before, adapter.create(before, "made"))
        after = target(here, {"upstream": {"url": upstream.url, "model": "candidate"}})
        after = replace(after, canary={**CANARY, "interval": "1h"})
        found = adapter.observe(before, "chat")
        assert found is not None
        operation = adapter.update(after, found, changed(before, after), "is-ended")
        eventually(lambda: ask(here)[1] == "candidate")
        back = adapter.take_back(after, operation, "ended by li: odd")
        assert (back.status, back.refused) == (OperationStatus.FAILED, "ended by li: odd")
        assert {ask(here) for _ in range(20)} == {(200, "./one")}
        assert adapter.poll(after, operation).refused == "ended by li: odd"
        assert adapter.take_back(after, operation, "once more").refused == "ended by li: odd"
