"""A real daemon: started by an apply, killed, mended, told of changes, and gone in the end."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import openai
import pytest
from aiohttp import web

from loopwright.daemon.client import DaemonClient
from loopwright.daemon.presence import Presence
from loopwright.daemon.starting import start, wait_until_gone, wait_until_serving
from loopwright.errors import LakeKeyError
from loopwright.lake.keys import MasterKey
from loopwright.lake.store import Lake
from loopwright.providers.local.job_folder import started_at
from support.daemons import MANIFESTS, ServedProject, eventually, facts, kill
from support.upstreams import MockUpstream, echo
from support.waiting import until

UPSTREAM_KEY = "the-upstream-credential-7f3a"


def ask(
    project: ServedProject, text: str, *, key: str = "none", model: str = "support", user: str = ""
) -> str:
    """What the unmodified openai client is answered."""
    url = f"{facts(project.folder).gateway}/v1"
    with openai.OpenAI(base_url=url, api_key=key, max_retries=0) as client:
        told = client.chat.completions.create(
            model=model,
            messages=[{"role": "user", "content": text}],
            user=user or openai.NOT_GIVEN,
        )
    return told.choices[0].message.content or ""


def flushed(project: ServedProject) -> bool:
    client = DaemonClient.of(project.folder.path)
    return client is not None and client.flush()


def test_a_killed_daemon_is_drift_that_the_next_apply_mends(
    project: ServedProject, upstream: MockUpstream
) -> None:
    assert project.apply()[0] == 0
    assert ask(project, "hello there") == "hello there"
    assert upstream.asked[0].headers["authorization"] == f"Bearer {UPSTREAM_KEY}"
    assert upstream.asked[0].json["model"] == "teacher"

    kill(project.folder)
    code, told, _ = project.run("plan", str(project.path), "--detailed-exitcode")
    assert code == 3
    assert "running: true -> false" in told
    assert "the project daemon does not run" in told
    assert project.run("chat", "support", "hello?")[0] == 1

    assert project.apply()[0] == 0
    assert project.run("plan", str(project.path), "--detailed-exitcode")[0] == 0
    assert ask(project, "again") == "again"
    assert flushed(project)
    code, told, _ = project.run("lake", "audit")
    assert code == 0, told
    # What the killed one left is emptied by the new recorder, in its own time.
    until(lambda: '"calls": 2' in project.run("lake", "status", "--json")[1])

    assert project.run("destroy", str(project.path), "--yes")[0] == 0
    assert wait_until_gone(project.folder, seconds=30)


@pytest.mark.slow
def test_of_many_starts_at_once_one_makes_the_daemon(project: ServedProject) -> None:
    project.apply()
    assert project.run("serve", "--stop")[0] == 0

    def begin(_: int) -> int:
        start(project.folder, project=project.path, environ=dict(os.environ))
        wait_until_serving(project.folder)
        return facts(project.folder).pid

    with ThreadPoolExecutor(4) as starters:
        assert len(set(starters.map(begin, range(4)))) == 1
    code, _, told = project.run("serve")
    assert code == 1
    assert "serves already" in told


def test_an_address_in_use_is_told_and_nothing_is_left_running(project: ServedProject) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        listen = f"gateway: {{listen: '127.0.0.1:{port}'}}\n"
        (project.path / "loopwright.yaml").write_text(listen)
        code, out, err = project.apply()
    assert code != 0
    assert f"127.0.0.1:{port}" in out + err
    assert "gateway.listen" in out + err
    assert wait_until_gone(project.folder, seconds=30)
    assert Presence(project.folder.path).facts() is None


def test_a_gateway_that_is_declared_elsewhere_moves(project: ServedProject) -> None:
    (project.path / "loopwright.yaml").write_text("gateway: {listen: '127.0.0.1:${PORT}'}\n")
    first, second = free_port(), free_port()
    assert project.apply("--var", f"PORT={first}")[0] == 0
    before = facts(project.folder)
    assert before.gateway == f"http://127.0.0.1:{first}"
    code, told, _ = project.run("plan", str(project.path), "--var", f"PORT={second}")
    assert code == 0
    assert f"the gateway is at {before.gateway}, not at http://127.0.0.1:{second}" in told

    assert project.apply("--var", f"PORT={second}")[0] == 0
    after = facts(project.folder)
    assert (after.pid, after.gateway) == (before.pid, f"http://127.0.0.1:{second}")
    assert ask(project, "hello") == "hello"
    with socket.create_server(("127.0.0.1", first)):
        code, out, err = project.apply("--var", f"PORT={first}")
    assert code != 0
    assert f"cannot listen on 127.0.0.1:{first}" in out + err
    assert ask(project, "still there") == "still there"


def test_calls_that_run_when_it_is_asked_to_stop_end_well_and_are_recorded(
    project: ServedProject, upstream: MockUpstream
) -> None:
    project.apply()
    asked, answers = threading.Event(), list[str]()

    async def slow(request: web.Request, said: dict[str, Any]) -> web.StreamResponse:
        asked.set()
        await asyncio.sleep(0.5)
        return await echo(request, said)

    upstream.behave = slow
    caller = threading.Thread(target=lambda: answers.append(ask(project, "slowly")))
    caller.start()
    assert asked.wait(30)
    os.kill(facts(project.folder).pid, signal.SIGTERM)
    caller.join(30)
    assert answers == ["slowly"]
    assert wait_until_gone(project.folder, seconds=60)
    assert not list(project.folder.spool.rglob("*.log"))
    assert '"calls": 1' in project.run("lake", "status", "--json")[1]


def test_keys_are_rotated_without_a_pause_and_never_kept(
    project: ServedProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project.path / "keys").write_text("first-key-of-bob-11\n")
    (project.path / "loopwright.yaml").write_text(
        "gateway: {listen: '127.0.0.1:0'}\n"
        "principals:\n"
        "  - {name: alice, role: admin, key: {env: ALICE}}\n"
        "  - {name: bob, role: reader, key: {file: keys}}\n"
    )
    monkeypatch.setenv("ALICE", "alice-and-her-key-22")
    project.apply()
    assert ask(project, "one", key="alice-and-her-key-22") == "one"
    assert ask(project, "two", key="first-key-of-bob-11") == "two"
    with pytest.raises(openai.AuthenticationError):
        ask(project, "three", key="somebody-elses-key")

    (project.path / "keys").write_text("first-key-of-bob-11\nsecond-key-of-bob-33\n")
    eventually(lambda: _accepted(project, "second-key-of-bob-33"))
    assert _accepted(project, "first-key-of-bob-11")
    (project.path / "keys").write_text("second-key-of-bob-33\n")
    eventually(lambda: not _accepted(project, "first-key-of-bob-11"))

    kill(project.folder)
    monkeypatch.delenv("ALICE")
    assert project.apply()[0] == 0
    assert _accepted(project, "alice-and-her-key-22")
    secrets = [UPSTREAM_KEY, "alice-and-her-key-22", "first-key-of-bob-11", "second-key-of-bob-33"]
    for path in project.folder.state.rglob("*"):
        if path.is_file():
            assert not [one for one in secrets if one.encode() in path.read_bytes()], path


@pytest.mark.slow
def test_a_lake_under_another_key_is_delivered_into_by_the_same_daemon(
    project: ServedProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project.path / "alice").write_text("the-key-of-alice")
    (project.path / "loopwright.yaml").write_text(
        "gateway: {listen: '127.0.0.1:0'}\n"
        "principals: [{name: alice, role: admin, key: {file: alice}}]\n"
    )
    project.apply()
    before = facts(project.folder)
    monkeypatch.setenv("NEXT_MASTER", "6b" * 32)
    assert project.run("lake", "rotate", "--new-key", "env:NEXT_MASTER")[0] == 0
    with pytest.raises(openai.AuthenticationError):
        ask(project, "still only for whom it was")
    assert ask(project, "on", key="the-key-of-alice") == "on"
    assert flushed(project)
    assert facts(project.folder) == before
    assert '"calls": 1' in project.run("lake", "status", "--json")[1]
    assert project.run("lake", "audit")[0] == 0


@pytest.mark.slow
def test_a_lake_in_another_place_gets_what_comes_and_the_old_one_what_was_answered(
    project: ServedProject, upstream: MockUpstream
) -> None:
    project.apply()
    asked, may_end = threading.Event(), threading.Event()

    async def held(request: web.Request, said: dict[str, Any]) -> web.StreamResponse:
        asked.set()
        await asyncio.to_thread(may_end.wait, 30)
        return await echo(request, said)

    assert ask(project, "answered before") == "answered before"
    upstream.behave = held
    caller = threading.Thread(target=lambda: ask(project, "answered after"))
    caller.start()
    assert asked.wait(30)
    project.write(MANIFESTS.replace("storage: lake}", "storage: other}"), upstream=upstream.url)
    code, told, _ = project.apply()
    may_end.set()
    caller.join(30)
    assert (code, "replace" in told) == (0, True)
    upstream.behave = echo
    assert ask(project, "in the other") == "in the other"
    assert flushed(project), "what is left for the old lake holds up nobody"
    told = project.run("lake", "status")[1]
    assert "in other" in told
    assert "calls       1 in" in told
    assert "left over   1 call for the lake" in told
    assert project.run("lake", "audit")[0] == 0

    project.write(MANIFESTS, upstream=upstream.url)
    assert project.apply()[0] == 0
    eventually(lambda: "calls       2 in" in project.run("lake", "status")[1])
    assert "left over" not in project.run("lake", "status")[1]


def test_a_lake_whose_key_an_erasure_renews_is_delivered_into_by_the_same_daemon(
    project: ServedProject,
) -> None:
    project.apply()
    before = facts(project.folder)
    for user in ("alice-4711", "bob"):
        ask(project, "hello", user=user)
    assert flushed(project)
    copied = project.path.parent / "copy"
    shutil.copytree(project.path / "lake", copied)
    code, out, err = project.run("erase", "--subject", "alice-4711", "--yes")
    assert (code, "was renewed" in err) == (0, True), err
    (key,) = (project.path / ".loopwright/keys").glob("*.key")
    with pytest.raises(LakeKeyError, match="wrong master key"):
        Lake.open(copied, master=MasterKey.from_file(key))
    assert ask(project, "on") == "on"
    assert flushed(project)
    assert facts(project.folder) == before
    assert '"calls": 2' in project.run("lake", "status", "--json")[1]
    code, out, _ = project.run("lake", "audit")
    assert code == 0, out


def test_what_is_declared_anew_is_followed_without_a_restart(
    project: ServedProject, upstream: MockUpstream
) -> None:
    project.apply()
    pid = facts(project.folder).pid
    project.write(
        MANIFESTS.replace("model: teacher", "model: pupil").replace(
            "lake: main}", "lake: main, rate: 0.5}"
        ),
        upstream=upstream.url,
    )
    assert project.apply()[0] == 0
    ask(project, "hello")
    assert upstream.asked[-1].json["model"] == "pupil"
    assert facts(project.folder).pid == pid
    assert project.run("plan", str(project.path), "--detailed-exitcode")[0] == 0


@pytest.mark.slow
def test_a_missing_credential_keeps_one_endpoint_back_and_says_so(
    project: ServedProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.apply()
    kill(project.folder)
    monkeypatch.delenv("UPSTREAM_KEY")
    code, out, err = project.apply()
    assert code != 0
    assert "{env: UPSTREAM_KEY}" in out + err
    monkeypatch.setenv("UPSTREAM_KEY", UPSTREAM_KEY)
    assert project.apply()[0] == 0
    assert ask(project, "back") == "back"


def test_an_upstream_that_is_down_holds_nothing_up(project: ServedProject) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        url = f"http://127.0.0.1:{gone.getsockname()[1]}/v1"
    project.write(MANIFESTS, upstream=url)
    code, out, err = project.apply()
    assert code == 0
    assert "cannot be reached now" in out + err
    code, _, err = project.run("chat", "support", "anybody?")
    assert code == 1
    assert "502" in err


def test_a_lake_whose_key_is_missing_shows_and_is_mended_by_who_has_it(
    project: ServedProject, upstream: MockUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    keyed = MANIFESTS.replace("storage: lake}", "storage: lake, masterKey: {env: MASTER}}")
    project.write(keyed, upstream=upstream.url)
    monkeypatch.setenv("MASTER", "5a" * 32)
    assert project.apply()[0] == 0
    assert project.run("serve", "--stop")[0] == 0
    monkeypatch.delenv("MASTER")
    assert project.run("serve", "--detach")[0] == 0
    code, told, _ = project.run("plan", str(project.path), "--detailed-exitcode")
    assert code == 3
    assert "Delivery/support changed outside: enabled: true -> false" in told
    assert "cannot resolve the secret {env: MASTER}" in told
    assert ask(project, "unrecorded") == "unrecorded"

    monkeypatch.setenv("MASTER", "5a" * 32)
    code, told, noted = project.run("lake", "audit")
    assert "accounted for, 1 of them lost" in told
    assert "does not take what became of 1 call;" in noted
    assert "unwritten   1 call lost" in project.run("lake", "status")[1]
    assert project.apply()[0] == 0
    assert ask(project, "recorded") == "recorded"
    assert flushed(project)
    assert '"calls": 1' in project.run("lake", "status", "--json")[1]
    assert project.run("serve", "--stop")[0] == 0
    code, told, _ = project.run("lake", "audit")
    assert (code, "endpoint support, lake: 1" in told) == (0, True), told


def test_in_the_foreground_it_serves_until_ctrl_c(project: ServedProject) -> None:
    command = [sys.executable, "-m", "loopwright", "serve", "--project", str(project.path)]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as served:
        eventually(lambda: Presence(project.folder.path).facts())
        project.apply()
        assert facts(project.folder).pid == served.pid
        assert ask(project, "hello") == "hello"
        project.run("destroy", str(project.path), "--yes")
        assert Presence(project.folder.path).is_alive, "whoever started it ends it"
        served.send_signal(signal.SIGINT)
        _, log = served.communicate(timeout=60)
    assert served.returncode == 0
    assert b"loopwright.daemon: stopped" in log
    assert UPSTREAM_KEY.encode() not in log


@pytest.mark.slow
def test_a_second_ctrl_c_does_not_wait_for_running_calls(
    project: ServedProject, upstream: MockUpstream
) -> None:
    (project.path / "loopwright.yaml").write_text(
        "gateway: {listen: '127.0.0.1:0', limits: {drainSeconds: 3600}}\n"
    )
    asked = threading.Event()

    async def mute(request: web.Request, said: dict[str, Any]) -> web.StreamResponse:
        asked.set()
        await asyncio.Event().wait()
        return await echo(request, said)

    upstream.behave = mute
    command = [sys.executable, "-m", "loopwright", "serve", "--project", str(project.path)]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as served:
        eventually(lambda: Presence(project.folder.path).facts())
        project.apply()
        caller = threading.Thread(target=lambda: project.run("chat", "support", "anybody?"))
        caller.start()
        assert asked.wait(30)
        served.send_signal(signal.SIGINT)
        eventually(lambda: Presence(project.folder.path).facts() is None)
        assert served.poll() is None, "it waits for the call"
        served.send_signal(signal.SIGINT)
        _, log = served.communicate(timeout=60)
        caller.join(30)
    assert served.returncode == 0
    assert b"running calls are broken off" in log
    assert project.run("lake", "audit")[0] == 0


@pytest.mark.slow
def test_a_project_that_is_removed_takes_its_daemon_with_it(project: ServedProject) -> None:
    assert project.apply()[0] == 0
    pid = facts(project.folder).pid
    shutil.rmtree(project.path)
    eventually(lambda: not started_at(pid))


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def _accepted(project: ServedProject, key: str) -> bool:
    try:
        ask(project, "ping", key=key)
    except openai.AuthenticationError:
        return False
    return True
