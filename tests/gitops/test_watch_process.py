"""`loopwright watch` as a real process: real git, real signals, real locks."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from git_repository import Repository
from watch_bench import endpoint, lake, provider

from loopwright.clock import SystemClock
from loopwright.gitops.status import WatchStatus, read_status
from loopwright.providers.memory.world import World
from loopwright.state.sqlite import open_state

_PATIENCE = 120
"""Seconds before a test gives up; none waits for as long when things are right."""
LOOPWRIGHT = [sys.executable, "-m", "loopwright"]
LAKES = [f"l{number:02}" for number in range(12)]


class Site:
    """A project folder and the processes that work in it."""

    def __init__(self, folder: Path, opened: ExitStack) -> None:
        self.folder, self._opened = folder, opened
        self.repository = Repository(folder / "repository")
        self.project = folder / "project"
        self.project.mkdir()

    def commit(self, *documents: str, options: tuple[str, ...] = ()) -> str:
        return self.repository.commit("\n---\n".join(documents), *options)

    def watch(self, name: str = "watcher") -> subprocess.Popen[str]:
        """Start one; its lines go to a file of its name."""
        options = ["--git", str(self.repository.folder), "--path", "flows", "--no-listen"]
        output = self._opened.enter_context((self.folder / f"{name}.out").open("w"))
        process = subprocess.Popen(
            [*LOOPWRIGHT, "watch", *options, "--poll", "1s", "--interval", "5s"],
            cwd=self.project,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._opened.callback(_end, process)
        return process

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*LOOPWRIGHT, *arguments], cwd=self.project, capture_output=True, text=True, check=False
        )

    def lines(self, name: str = "watcher") -> str:
        return (self.folder / f"{name}.out").read_text()

    def until(self, holds: Callable[[], Any], name: str = "watcher") -> None:
        deadline = time.monotonic() + _PATIENCE
        while not holds():
            assert time.monotonic() < deadline, self.lines(name)
            time.sleep(0.05)

    @property
    def status(self) -> WatchStatus:
        return read_status(self.project / ".loopwright" / "default") or WatchStatus()

    def created(self) -> Counter[str]:
        """How often each address came into being."""
        path = self.project / "world.jsonl"
        if not path.exists():
            return Counter()
        made = [write for write in World(path).writes if write.action == "create"]
        return Counter(write.address for write in made if write.effective)

    def lease(self) -> object:
        path = self.project / ".loopwright" / "default" / "state.db"
        return open_state(path, clock=SystemClock()).lease()


def _end(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.kill()
    process.wait()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with ExitStack() as opened:
        yield Site(tmp_path, opened)


def world(latency: float) -> list[str]:
    """A dozen lakes, each of which takes so many seconds to look at and to make."""
    return [provider(faults={"latencySeconds": latency}), *map(lake, LAKES)]


def test_commits_converge_broken_ones_are_survived_and_history_may_be_rewritten(
    site: Site,
) -> None:
    site.commit(provider(), lake())
    process = site.watch()
    site.until(lambda: site.created()["Lake/main"])
    site.commit("kind: [")
    site.until(lambda: site.status.problems)
    told = json.loads(site.run("status", "--json").stdout)["watcher"]
    assert told["alive"]
    assert told["problems"][0]["diagnostics"][0].startswith("flows/m.yaml:1:")
    shown = site.run("status").stdout
    assert "Problem      revision" in shown
    mended = site.commit(provider(), lake(), endpoint(), options=("--amend",))
    site.until(lambda: site.created()["Endpoint/chat"])
    site.until(lambda: site.status.commit == mended and not site.status.problems)
    process.send_signal(signal.SIGTERM)
    assert process.wait(_PATIENCE) == 0
    assert site.lease() is None
    assert site.status.stopped_at
    assert not json.loads(site.run("status", "--json").stdout)["watcher"]["alive"]
    assert set(site.created().values()) == {1}
    assert "flows/m.yaml:" in site.run("get", "--json").stdout


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGKILL], ids=lambda found: found.name)
def test_a_watcher_that_ends_in_the_middle_of_a_pass_is_taken_up_by_the_next(
    site: Site, ending: signal.Signals
) -> None:
    site.repository.commit("parallelism: 1\n", path="loopwright.yaml")
    site.commit(*world(latency=0.5))
    process = site.watch()
    site.until(lambda: len(site.created()) >= 2)
    process.send_signal(ending)
    code = process.wait(_PATIENCE)
    assert len(site.created()) < len(LAKES)
    if ending is signal.SIGTERM:
        assert code == 0
        assert site.lease() is None
    site.commit(*world(latency=0))
    again = site.watch("again")
    site.until(lambda: len(site.created()) == len(LAKES), "again")
    again.send_signal(signal.SIGTERM)
    assert again.wait(_PATIENCE) == 0
    assert set(site.created().values()) == {1}


def test_of_two_watchers_and_an_apply_one_goes_on_and_the_others_name_it(site: Site) -> None:
    site.repository.commit("parallelism: 1\n", path="loopwright.yaml")
    site.commit(*world(latency=5))
    first = site.watch("first")
    site.until(site.lease, "first")
    second = site.watch("second")
    refused = site.run("apply", "--yes", str(site.repository.folder / "flows"))
    assert refused.returncode == 1
    assert f"pid {first.pid} (watch)" in refused.stderr
    site.until(
        lambda: f"pid {first.pid} watches this environment" in site.lines("second"), "second"
    )
    site.commit(*world(latency=0))
    first.kill()
    first.wait()
    site.until(lambda: len(site.created()) == len(LAKES), "second")
    second.send_signal(signal.SIGINT)
    assert second.wait(_PATIENCE) == 0
    assert set(site.created().values()) == {1}


def test_a_pid_is_no_proof_of_life(site: Site) -> None:
    """A status file that a killed watcher left behind does not make it alive."""
    folder = site.project / ".loopwright" / "default"
    folder.mkdir(parents=True)
    (folder / "watch.lock").write_text(f"me@here pid {os.getpid()}")
    told = json.loads(site.run("status", "--json").stdout)
    assert told["watcher"] == {"alive": False}
