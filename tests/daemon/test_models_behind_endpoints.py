"""Models behind endpoints: a process a base, switched, killed and refused with no call failed."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import openai
import pytest

from support.daemons import eventually
from support.daemons_here import DaemonHere, a_model, daemon_here
from support.fake_runtime import PIECES


def client(here: DaemonHere) -> openai.OpenAI:
    return openai.OpenAI(base_url=here.url, api_key="none", max_retries=0, timeout=60)


def ask(asking: openai.OpenAI, endpoint: str, *, stream: bool = False) -> str:
    """The label of the model that answered, all of it."""
    messages: Any = [{"role": "user", "content": "who are you?"}]
    if not stream:
        told = asking.chat.completions.create(model=endpoint, messages=messages)
        return told.choices[0].message.content or ""
    chunks = list(asking.chat.completions.create(model=endpoint, messages=messages, stream=True))
    assert len(chunks) == PIECES
    return (chunks[0].choices[0].delta.content or "") if chunks else ""


@contextmanager
def hammered(here: DaemonHere, endpoint: str) -> Iterator[Counter[str]]:
    """Four clients that ask without a pause; whoever answered is counted. A failure is raised."""
    answered, over = Counter[str](), threading.Event()

    def asking(stream: bool) -> None:
        with client(here) as one:
            while not over.is_set():
                answered[ask(one, endpoint, stream=stream)] += 1

    with ThreadPoolExecutor(4) as pool:
        clients: list[Future[None]] = [pool.submit(asking, n % 2 == 0) for n in range(4)]
        try:
            yield answered
        finally:
            over.set()
        for one in clients:
            one.result()


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaemonHere]:
    with daemon_here(tmp_path_factory.mktemp("project")) as found:
        yield found


@pytest.fixture
def here(daemon: DaemonHere) -> Iterator[DaemonHere]:
    """Nothing is declared, and no process of an earlier test is left."""
    yield daemon
    for one in list(daemon.folder.endpoints.all()):
        daemon.folder.endpoints.remove(one.name)
    daemon.reload()
    eventually(lambda: not daemon.told()["runtimes"])


def process(here: DaemonHere, base: str = "base") -> dict[str, Any]:
    """What is told of the process of a base; nothing when there is none."""
    found = [one for one in here.told()["runtimes"] if one["base"] == base]
    assert len(found) < 2
    return found[0] if found else {}


def test_five_switches_under_load_fail_no_call_and_leave_one_model(here: DaemonHere) -> None:
    models = [a_model(here.project, f"m@{n}", on="base" if n % 3 else "") for n in range(1, 7)]
    here.declare("chat", models[0])
    with hammered(here, "chat") as answered:
        for model in models:
            here.declare("chat", model)
            here.settled("chat", model.label)
            eventually(lambda label=model.label: answered[label] > 4)
    assert answered.keys() == {model.label for model in models}
    eventually(lambda: [one["models"] for one in here.told()["runtimes"]] == [["m@6"]])


def test_models_of_one_base_share_its_process_with_the_base_itself(here: DaemonHere) -> None:
    first, second = (a_model(here.project, f"m@{n}") for n in (1, 2))
    whole = replace(first, label="base", digest="sha256:base", adapter=None)
    for name, model in (("a", first), ("b", second), ("c", whole)):
        here.declare(name, model)
    for name, model in (("a", first), ("b", second), ("c", whole)):
        here.settled(name, model.label)
    assert process(here)["models"] == ["base", "m@1", "m@2"]
    with client(here) as asking:
        assert [ask(asking, name) for name in "abc"] == ["m@1", "m@2", "base"]
    for name in "ab":
        here.declare(name, first, spec={"running": False, "model": {"base": "base"}})
    eventually(lambda: process(here)["models"] == ["base"])
    pid = process(here)["pid"]
    here.folder.endpoints.remove("c")
    here.reload()
    eventually(lambda: not process(here) and _is_gone(pid))


def test_other_bounds_make_another_process_and_end_the_one_before(here: DaemonHere) -> None:
    model = a_model(here.project, "m@1")
    here.declare("chat", model)
    here.settled("chat", "m@1")
    before = process(here)["pid"]
    with hammered(here, "chat"):
        here.declare("chat", replace(model, bounds=replace(model.bounds, threads=2)))
        eventually(lambda: _is_gone(before))
    assert process(here)["pid"] != before


def test_a_killed_process_is_started_again_while_calls_wait(here: DaemonHere) -> None:
    here.declare("chat", a_model(here.project, "m@1"))
    here.settled("chat", "m@1")
    with client(here) as asking:
        for _ in range(2):
            before = process(here)["pid"]
            os.kill(before, signal.SIGKILL)
            assert ask(asking, "chat") == "m@1"
            assert process(here)["pid"] != before
    assert process(here)["starts"] == 3


def test_a_model_that_cannot_be_loaded_leaves_the_endpoint_with_the_one_before(
    here: DaemonHere,
) -> None:
    good, bad = a_model(here.project, "m@1"), a_model(here.project, "m@2", broken="")
    here.declare("chat", good)
    here.settled("chat", "m@1")
    here.declare("chat", bad)
    eventually(lambda: "Endpoint/chat" in here.told()["problems"])
    problem = here.told()["problems"]["Endpoint/chat"]
    assert problem.startswith("m@2 cannot be served: the server at")
    assert problem.endswith("m@2 is no adapter")
    with client(here) as asking:
        assert ask(asking, "chat") == "m@1"
        (here.project / "models" / "m-2" / "broken").unlink()
        here.reload(retry=True)
        here.settled("chat", "m@2")
        assert ask(asking, "chat") == "m@2"
    assert here.told()["problems"] == {}


def test_weights_that_cannot_be_loaded_are_told_in_the_words_of_the_runtime(
    here: DaemonHere,
) -> None:
    here.declare("chat", a_model(here.project, "full@1", on="", broken=""))
    eventually(lambda: "Endpoint/chat" in here.told()["problems"])
    said = "full@1 cannot be served: no weights here; make some"
    assert here.told()["problems"]["Endpoint/chat"] == said
    began = time.monotonic()
    with client(here) as asking, pytest.raises(openai.InternalServerError):
        ask(asking, "chat")
    assert time.monotonic() - began < 30  # nobody waits for what will not come
    (here.project / "models" / "full-1" / "broken").unlink()
    here.reload(retry=True)
    here.settled("chat", "full@1")


def _is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False
