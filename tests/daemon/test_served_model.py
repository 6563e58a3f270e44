"""A real model behind the gateway: applied, asked by the official client, killed, switched."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import openai
import pytest

from loopwright.daemon.access import gateway_access
from loopwright.daemon.client import DaemonClient
from loopwright.daemon.served import ServedModel
from loopwright.inference.client import Client, Reply, Server
from loopwright.serving.launch import command
from support.certificates import certificate
from support.daemons import PROJECT_FILE, ServedProject, ending, eventually, facts, kill
from support.daemons_here import daemon_here
from support.http_clients import call
from support.tiny_models import make_adapter, make_base

MANIFESTS = """
apiVersion: loopwright.dev/v1alpha1
kind: Provider
metadata: {name: local}
spec: {type: local}
---
apiVersion: loopwright.dev/v1alpha1
kind: Endpoint
metadata: {name: chat}
spec: {provider: local, model: {base: ./UPSTREAM_URL}}
"""
QUESTION = [{"role": "user", "content": "the parcel never came"}]


def runtime(project: ServedProject) -> dict[str, object]:
    """What the daemon tells of its only runtime."""
    client = DaemonClient.of(project.folder.path)
    assert client is not None
    (found,) = client.status()["runtimes"]
    return dict(found)


def text(asking: openai.OpenAI, *, stream: bool) -> str:
    """Sixteen tokens at temperature 0, as the official client puts them together."""
    settled: dict[str, Any] = {
        "model": "chat",
        "messages": QUESTION,
        "temperature": 0,
        "max_tokens": 16,
    }
    if not stream:
        told = asking.chat.completions.create(**settled)
        assert told.usage is not None
        assert told.usage.completion_tokens <= 16
        return told.choices[0].message.content or ""
    chunks = asking.chat.completions.create(**settled, stream=True)
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks)


@pytest.mark.slow
def test_a_model_of_this_machine_is_served_from_apply_to_the_end(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "loopwright.yaml").write_text(PROJECT_FILE)
    for seed in (1, 2):
        make_base(tmp_path / f"base-{seed}", seed=seed)
    with ending(tmp_path / ".loopwright" / "default") as folder:
        project = ServedProject(tmp_path, folder, capsys)
        project.write(MANIFESTS, upstream="base-1")
        code, out, err = project.apply("--wait")
        assert code == 0, out + err
        assert project.run("plan", str(tmp_path), "--detailed-exitcode")[0] == 0
        url = f"{facts(folder).gateway}/v1"
        with openai.OpenAI(base_url=url, api_key="none", max_retries=0) as asking:
            whole, streamed = (text(asking, stream=stream) for stream in (False, True))
            assert whole == streamed != ""
            assert "serves ./base-1" in project.run("serve", "--status")[1]
            before = runtime(project)["pid"]
            assert isinstance(before, int)
            os.kill(before, signal.SIGKILL)
            assert text(asking, stream=False) == whole
            _tamper(tmp_path / "base-1" / "model.safetensors")
            again = runtime(project)["pid"]
            assert isinstance(again, int)
            os.kill(again, signal.SIGKILL)
            with pytest.raises(openai.APIStatusError):
                text(asking, stream=False)
            assert "is not what was verified" in project.run("serve", "--status")[1]

            project.write(MANIFESTS, upstream="base-2")
            code, out, err = project.apply("--wait")
            assert code == 0, out + err
            assert text(asking, stream=False) != whole
            eventually(lambda: runtime(project)["base"] == "./base-2")
            assert "loopwright_runtime_serving" in _metrics(url)
        orphan = runtime(project)["pid"]
        assert isinstance(orphan, int)
        kill(folder)
        eventually(lambda: _is_gone(orphan))  # a runtime never outlives its daemon

        assert project.apply("--wait")[0] == 0
        child = runtime(project)["pid"]
        assert isinstance(child, int)
        assert project.run("serve", "--stop")[0] == 0
        assert _is_gone(child)


def test_jobs_find_the_gateway_while_a_daemon_serves_and_trust_its_own_certificate(
    project: ServedProject,
) -> None:
    cert, key = certificate("gateway.example.com")
    (project.path / "cert.pem").write_bytes(cert)
    (project.path / "key.pem").write_bytes(key)
    tls = "gateway: {listen: '127.0.0.1:0', tls: {cert: cert.pem, key: key.pem}}\n"
    (project.path / "loopwright.yaml").write_text(tls)
    assert gateway_access(project.folder) is None
    assert project.apply()[0] == 0
    access = gateway_access(project.folder)
    assert access is not None
    assert access.certificate == str(project.path / "cert.pem")

    async def asked() -> Reply:
        server = Server(access.url, "support", access.key, access.insecure_loopback)
        async with Client(server) as client:
            messages = [{"role": "user", "content": "is it safe?"}]
            return await client.ask("chat/completions", {"messages": messages})

    assert asyncio.run(asked()).text == "is it safe?"
    told = DaemonClient.of(project.folder.path)
    assert told is not None
    assert told.status()["logs"]["main"]["excluded"] == {"internal": 1}
    assert access.key not in project.folder.log.read_text()


@pytest.mark.slow
def test_adapters_of_a_real_runtime_are_switched_without_a_failed_call(tmp_path: Path) -> None:
    make_base(tmp_path / "base")
    plain = ServedModel("base", "sha256:base", "base", "sha256:base", base="base")
    models = [plain]
    for seed in (1, 2):
        make_adapter(tmp_path / "base", tmp_path / f"a{seed}", seed=seed)
        label = f"m@{seed}"
        models.append(replace(plain, label=label, digest=f"sha256:{label}", adapter=f"a{seed}"))
    over, answered = threading.Event(), Counter[str]()

    def hammer(url: str) -> None:
        said = {"model": "chat", "messages": QUESTION, "max_tokens": 8}
        while not over.is_set():
            told = call(f"{url}/chat/completions", said)
            assert told.status == 200, told.body
            answered[told.json["model"]] += 1

    with daemon_here(tmp_path, command=command) as here, ThreadPoolExecutor(3) as pool:
        here.declare("chat", plain)
        clients = [pool.submit(hammer, here.url) for _ in range(3)]
        try:
            for model in (*models, *models):
                here.declare("chat", model)
                here.settled("chat", model.label)
                eventually(lambda seen=answered[model.label], of=model: answered[of.label] > seen)
        finally:
            over.set()
        for one in clients:
            one.result()
    assert answered.keys() == {"base", "m@1", "m@2"}


def _tamper(weights: Path) -> None:
    with weights.open("r+b") as file:
        file.seek(-4, 2)
        file.write(b"????")


def _metrics(url: str) -> str:
    return call(url.removesuffix("/v1") + "/metrics").body.decode()


def _is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False
