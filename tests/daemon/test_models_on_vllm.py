"""Models on a vLLM server: adapters loaded by its own routes, loaded again after its restart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from loopwright.daemon import vllm_server
from loopwright.models.digests import Digests
from loopwright.models.imprint import Imprint
from support.daemons import eventually
from support.daemons_here import DaemonHere, a_model, daemon_here
from support.fake_vllm import RunningVllm, vllm_in_thread
from support.http_clients import call

KEY = "the-vllm-key-5d1e"


@pytest.fixture
def vllm() -> Iterator[RunningVllm]:
    with vllm_in_thread("org/base", key=KEY, root="/models/base") as running:
        yield running


@pytest.fixture
def here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, vllm: RunningVllm
) -> Iterator[DaemonHere]:
    """A daemon that ends before the server does, as it would wait for an answer of it."""
    monkeypatch.setattr(vllm_server, "_LOOK", 0.05)
    monkeypatch.setattr(vllm_server, "_LOOK_WHEN_SERVING", 0.1)
    (tmp_path / "key").write_text(KEY)
    with daemon_here(tmp_path) as found:
        yield found


def on(vllm: RunningVllm) -> dict[str, Any]:
    server = {"url": vllm.fake.url, "apiKey": {"file": "key"}}
    return {"spec": {"model": {"model": "Model/m"}, "runtime": {"vllm": server}}}


def ask(here: DaemonHere) -> str:
    said = {"model": "chat", "messages": [{"role": "user", "content": "who are you?"}]}
    return str(call(f"{here.url}/chat/completions", said).json.get("model"))


def labels(vllm: RunningVllm) -> list[str]:
    return [name.rpartition("-")[0] for name in vllm.fake.adapters]


def problem(here: DaemonHere) -> str:
    return str(here.told()["problems"].get("Endpoint/chat", ""))


def test_an_adapter_is_loaded_switched_kept_over_a_restart_and_taken_away(
    here: DaemonHere, vllm: RunningVllm
) -> None:
    first, second = (a_model(here.project, f"m@{n}", on="base") for n in (1, 2))
    here.declare("chat", first, **on(vllm))
    here.settled("chat", "m@1")
    ((name, folder),) = vllm.fake.adapters.items()
    assert (name[:4], folder) == ("m@1-", str(here.project / "models" / "m-1"))
    assert ask(here) == name
    assert 'model_version="m@1"' in call(here.url.removesuffix("/v1") + "/metrics").body.decode()
    here.declare("chat", second, **on(vllm))
    here.settled("chat", "m@2")
    assert ask(here).startswith("m@2-")
    eventually(lambda: labels(vllm) == ["m@2"])
    vllm.restart()
    eventually(lambda: labels(vllm) == ["m@2"])
    eventually(lambda: ask(here).startswith("m@2-"))
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
    assert (problem(here), ask(here)[:4]) == ("", "m@1-")


def test_two_environments_on_one_server_keep_their_own_adapters(
    here: DaemonHere, vllm: RunningVllm, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("another")
    (elsewhere / "key").write_text(KEY)
    vllm.fake.adapters["m@1"] = "/of/somebody/else"
    with daemon_here(elsewhere) as there:
        for one, mark in ((here, "here"), (there, "there")):
            model = a_model(one.project, "m@1", on="base", mark=mark)
            one.declare("chat", replace(model, digest=f"sha256:{mark}"), **on(vllm))
            one.settled("chat", "m@1")
        assert ask(here) != ask(there)
        for one in (here, there):
            assert vllm.fake.adapters[ask(one)] == str(one.project / "models" / "m-1")
        there.folder.endpoints.remove("chat")
        there.reload()
        eventually(lambda: len(vllm.fake.adapters) == 2)
    assert vllm.fake.adapters.keys() == {"m@1", ask(here)}


def test_an_adapter_that_changed_since_it_was_verified_is_not_sent(
    here: DaemonHere, vllm: RunningVllm
) -> None:
    model = a_model(here.project, "m@1", on="base", weights="as verified")
    folder = here.project / "models" / "m-1"
    imprint = Imprint.of(folder, Digests(), ["weights"])
    (folder / "weights").write_text("as  changed")
    here.declare("chat", replace(model, adapter_imprint=imprint), **on(vllm))
    eventually(lambda: "weights is not what was verified" in problem(here))
    assert not vllm.fake.adapters


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
