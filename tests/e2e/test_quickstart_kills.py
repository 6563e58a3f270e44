"""The quickstart while all that works for it is killed, over and over: it ends as if nothing was.

A shorter training than the shipped one, and a gate that asks for less: what is proven here does
not depend on how good the model is.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from typing import Any
from urllib.request import Request, urlopen

import pytest
import yaml
from checkout import Checkout, copy_of

from loopwright.daemon.client import DaemonClient
from loopwright.daemon.presence import Facts, Presence
from loopwright.errors import DaemonError
from loopwright.providers.local.job_folder import JobFolder, started_at
from support.daemons import eventually

pytestmark = pytest.mark.slow

ROLES = ("command", "worker", "trainer", "daemon", "runtime", "recorder")
_EACH = 2
"""How often each of them is killed."""
_MOST_COMMANDS = 20
_PATIENCE = 900.0
_STATE = Path(".loopwright/default")


def shortened(folder: Path) -> Checkout:
    checkout = copy_of("manifests", folder / "manifests")
    manifest = checkout.folder / "flywheel.yaml"
    documents = list(yaml.safe_load_all(manifest.read_text(encoding="utf-8")))
    for document in documents:
        spec = document["spec"]
        if document["kind"] == "FineTuneJob":
            del spec["hyperparameters"]["epochs"]
            spec["hyperparameters"] |= {"maxSteps": 60, "checkpointSteps": 10}
        elif "promote" in spec:
            spec["promote"]["gate"]["minComposite"] = 0
    manifest.write_text(yaml.safe_dump_all(documents, allow_unicode=True), encoding="utf-8")
    return Checkout(folder)


@dataclass
class Site:
    """A folder in which commands run, and everything of it that lives."""

    checkout: Checkout
    killed: Counter[str] = field(default_factory=Counter)
    command: subprocess.Popen[bytes] | None = None

    @property
    def state(self) -> Path:
        return self.checkout.folder / _STATE

    def start(self) -> subprocess.Popen[bytes]:
        """The main command of the README, as a process."""
        with (self.checkout.folder / "said").open("ab") as said:
            self.command = subprocess.Popen(
                [sys.executable, "-m", "loopwright", "apply", "manifests", "--yes", "--wait"],
                cwd=self.checkout.folder,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
            )
        return self.command

    def kill(self, role: str, pid: int) -> None:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            self.killed[role] += 1

    def living(self) -> dict[str, int]:
        """A process id for each role that somebody has now, by what the project's files say."""
        found = dict(self._workers())
        if self.command is not None and self.command.poll() is None:
            found["command"] = self.command.pid
        if (facts := self.facts()) is not None:
            found["daemon"] = facts.pid
            with suppress(DaemonError):
                status = DaemonClient.to(facts).status()
                runtimes = [one["pid"] for one in status["runtimes"] if one["pid"]]
                found |= {"runtime": runtimes[0]} if runtimes else {}
                found |= {"recorder": pid} if (pid := status["recorder"]["pid"]) else {}
        return found

    def facts(self) -> Facts | None:
        return Presence(self.state / "daemon").facts()

    def _workers(self) -> Iterator[tuple[str, int]]:
        for path in sorted(self.state.glob("jobs/*/worker.json")):
            folder = JobFolder(path.parent)
            worker = folder.worker()
            if worker and folder.is_alive() and started_at(worker.pid) == worker.started:
                yield "worker", worker.pid
                with suppress(OSError):
                    children = Path(f"/proc/{worker.pid}/task/{worker.pid}/children").read_text()
                    for pid in children.split():
                        if b"loopwright.tuning" in Path(f"/proc/{pid}/cmdline").read_bytes():
                            yield "trainer", int(pid)

    def words(self) -> str:
        return (self.checkout.folder / "said").read_text(encoding="utf-8", errors="replace")

    def end(self) -> None:
        """Leave nothing alive but what the daemon's own end takes with it."""
        if self.command is not None:
            self.command.kill()
            self.command.wait()
        for path in self.state.glob("jobs/*/worker.json"):
            JobFolder(path.parent).send(signal.SIGKILL)


class Caller(Thread):
    """A client of the endpoint all along; knows the calls whose whole answer it has.

    It counts from the moment the Delivery is in place: before, nothing is to be recorded.
    """

    def __init__(self, site: Site) -> None:
        super().__init__(daemon=True)
        self._site, self._over = site, Event()
        self.counts = False
        self.answered: set[str] = set()

    def run(self) -> None:
        while not self._over.wait(0.2):
            facts = self._site.facts()
            if facts is not None:
                with suppress(OSError, ValueError, DaemonError):
                    self.counts = self.counts or self._is_recorded(facts)
                    self._call(f"{facts.gateway}/v1/chat/completions")

    def stop(self) -> None:
        self._over.set()
        self.join()

    def wait_for(self, more: int) -> None:
        """Until so many more calls were answered."""
        due = len(self.answered) + more
        eventually(lambda: len(self.answered) >= due, seconds=120)

    @staticmethod
    def _is_recorded(facts: Facts) -> bool:
        endpoints = DaemonClient.to(facts).status()["traffic"]["endpoints"]
        return bool(endpoints.get("ticket-router", {}).get("delivery"))

    def _call(self, url: str) -> None:
        said = {
            "model": "ticket-router",
            "messages": [{"role": "user", "content": f"Parcel {len(self.answered)} is late."}],
            "max_tokens": 8,
        }
        headers = {"content-type": "application/json"}
        with urlopen(Request(url, json.dumps(said).encode(), headers), timeout=90) as answer:
            json.load(answer)
            if self.counts:
                self.answered.add(answer.headers["x-loopwright-call-id"])


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    (tmp_path / "killed").mkdir()
    one = Site(shortened(tmp_path / "killed"))
    try:
        yield one
    finally:
        one.end()


def harass(site: Site, chance: random.Random) -> None:
    """Commands, one after the other, until one ends well with everybody killed as often as due."""
    deadline = time.monotonic() + _PATIENCE
    for _ in range(_MOST_COMMANDS):
        command = site.start()
        while command.poll() is None:
            assert time.monotonic() < deadline, site.words()
            time.sleep(chance.uniform(0.2, 1.5))
            living = site.living()
            due = [role for role in ROLES if role in living and site.killed[role] < _EACH]
            if due:
                fewest = min(site.killed[role] for role in due)
                role = chance.choice([role for role in due if site.killed[role] == fewest])
                site.kill(role, living[role])
        if command.returncode == 0:
            return
    raise AssertionError(f"no end after {_MOST_COMMANDS} commands\n{site.words()}")


def kill_the_daemon_under_load(site: Site, caller: Caller) -> None:
    """Once more, while calls are recorded; the next apply mends it."""
    for _ in range(2):
        caller.wait_for(5)
        site.kill("daemon", site.living()["daemon"])
        site.checkout.run("apply manifests --yes --wait")
    caller.wait_for(5)


def final(checkout: Checkout) -> Mapping[str, Any]:
    """What of the end state may not depend on what happened on the way."""
    (model,) = checkout.json("models list")
    (version,) = checkout.json("dataset list")
    (endpoint,) = checkout.json("get Endpoint/ticket-router")
    (run,) = checkout.json("get EvalRun/ticket-router")
    return {
        "model": (model["name"], model["version"], model["digest"]),
        "weights": model["files"]["model.safetensors"]["sha256"],
        "dataset": (version["version"], version["rows"], version["digest"]),
        "serves": (endpoint["spec"]["model"], endpoint["outputs"]["modelDigest"]),
        "evaluated": (run["outputs"]["items"], run["outputs"]["failed"], run["outputs"]["models"]),
        "records": sorted(one["address"] for one in checkout.json("get")),
    }


def test_whatever_is_killed_the_end_is_that_of_an_undisturbed_run(
    site: Site, tmp_path: Path
) -> None:
    caller = Caller(site)
    caller.start()
    try:
        harass(site, random.Random(4))
        kill_the_daemon_under_load(site, caller)
    finally:
        caller.stop()
    assert site.checkout.run("plan manifests").startswith("No changes.")
    assert set(site.killed) == set(ROLES), site.killed
    (tmp_path / "calm").mkdir()
    calm = shortened(tmp_path / "calm")
    calm.run("apply manifests --yes --wait")
    found = final(site.checkout)
    assert found == final(calm)
    assert found["serves"][0] == {"model": "Model/ticket-router@1"}
    assert launches(site) == 1
    lost_nothing(site, caller)


def launches(site: Site) -> int:
    """How many training runs there ever were: by the journal, which is what was paid for."""
    told = site.checkout.json("history FineTuneJob/ticket-router -n 10000")
    return len({one["data"]["key"] for one in told if one["kind"] == "intent"})


def lost_nothing(site: Site, caller: Caller) -> None:
    """Every call that a client has the answer of lies in the lake, once."""
    said = site.checkout.run("lake audit")
    assert "accounted for" in said
    rows = site.checkout.run("sql 'SELECT call_id FROM calls' --format jsonl").splitlines()
    held = Counter(json.loads(row)["call_id"] for row in rows)
    assert not caller.answered - held.keys(), said
    assert set(held.values()) == {1}
