"""Models on a vLLM server: adapters loaded by its own routes, loaded again after its restart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from loopwright.daemon import vllm_server
from support.daemons import eventually
from support.daemons_here import DaemonHere, a_model, daemon_here
from support.fake_vllm import RunningVllm, vllm_in_thread
from support.http_clients import call

KEY = "the-vllm-key-5d1e"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DaemonHere]:
    monkeypatch.setattr(vllm_server, "_LOOK", 0.05)
    monkeypatch.setattr(vllm_server, "_LOOK_WHEN_SERVING", 0.1)
    (tmp_path / "key").write_text(KEY)
    with daemon_here(tmp_path) as found:
        yield found


@pytest.fixture
def vllm() -> Iterator[RunningVllm]:
    with vllm_in_thread("org/base", key=KEY, root="/models/base") as running:
        yield running


def on(vllm: RunningVllm) -> dict[str, Any]:
    server = {"url": vllm.fake.url, "apiKey": {"file": "key"}}
    return {"spec": {"model": {"model": "Model/m"}, "runtime": {"vllm": server}}}


def ask(here: DaemonHere) -> str:
    said = {"model": "chat", "messages": [{"role": "user", "content": "who are you?"}]}
    return str(call(f"{here.url}/chat/completions", said).json.get("model"))


def problem(here: DaemonHere) -> str:
    return str(here.told()["problems"].get("Endpoint/chat", ""))


def test_an_adapter_is_loaded_switched_kept_over_a_restart_and_taken_away(
    here: DaemonHere, vllm: RunningVllm
) -> None:
    first, second = (a_model(here.project, f"m@{n}", on="base") for n in (1, 2))
    here.declare("chat", first, **on(vllm))
    here.settled("chat", "m@1")
    assert vllm.fake.adapters == {"m@1": str(here.project / "models" / "m-1")}
    assert ask(here) == "m@1"
    here.declare("chat", second, **on(vllm))
    here.settled("chat", "m@2")
    assert ask(here) == "m@2"
    eventually(lambda: vllm.fake.adapters.keys() == {"m@2"})
    vllm.restart()
    eventually(lambda: vllm.fake.adapters.keys() == {"m@2"})
    eventually(lambda: ask(here) == "m@2")
    here.folder.endpoints.remove("chat")
    here.reload()
    eventually(lambda: not vllm.fake.adapters)


def test_a_server_that_is_away_is_a_problem_until_it_is_there(
    here: DaemonHere, vllm: RunningVllm
) -> None:
    vllm.run(vllm.fake.stop())
    here.declare("chat", a_model(here.project, "m@1", on="base"), **on(vllm))
    eventually(lambda: "does not answer" in problem(here))
    vllm.run(vllm.fake.start())
    here.settled("chat", "m@1")
    assert (problem(here), ask(here)) == ("", "m@1")


def test_what_the_server_cannot_serve_is_said_with_what_it_has(
    here: DaemonHere, vllm: RunningVllm
) -> None:
    other = a_model(here.project, "m@1", on="another-base")
    here.declare("chat", other, **on(vllm))
    eventually(lambda: problem(here))
    assert "m@1 was tuned on another-base" in problem(here)
    assert "serves org/base" in problem(here)
    full = a_model(here.project, "full@3", on="")
    here.declare("chat", full, **on(vllm))
    eventually(lambda: problem(here).startswith("full@3"))
    assert "vllm serve models/full-3 --served-model-name full@3" in problem(here)
    base = replace(full, label="org/base@main", base="org/base@main")
    here.declare("chat", base, **on(vllm))
    here.settled("chat", "org/base@main")
    assert ask(here) == "org/base"  # under the name that the server has for it
