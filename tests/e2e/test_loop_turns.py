"""The loop turns by itself: clients call, and `loopwright watch` does the rest.

A real watcher, daemon, trainer and runtime; the teacher is a server that answers by rules.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import openai
import pytest
from checkout import HOME, Checkout

from support.desk_models import TEACHER, desk_models

pytestmark = pytest.mark.slow

EXAMPLE = HOME / "examples/08-distil"
A_TURN = 40
"""Calls that make a new version."""
_PATIENCE = 300.0
MANIFESTS = f"""\
apiVersion: loopwright.dev/v1alpha1
kind: Provider
metadata: {{name: local}}
spec: {{type: local}}
---
apiVersion: loopwright.dev/v1alpha1
kind: Lake
metadata: {{name: main}}
spec: {{provider: local, storage: .loopwright/lake}}
---
apiVersion: loopwright.dev/v1alpha1
kind: Endpoint
metadata: {{name: teacher}}
spec: {{provider: local, model: {{upstream: {{url: "UPSTREAM", model: {TEACHER}}}}}}}
---
apiVersion: loopwright.dev/v1alpha1
kind: Delivery
metadata: {{name: teacher}}
spec: {{provider: local, endpoint: teacher, lake: main}}
---
apiVersion: loopwright.dev/v1alpha1
kind: Dataset
metadata: {{name: desk}}
spec:
  provider: local
  source: {{lake: main}}
  filter: {{endpoints: [teacher]}}
  sampling: {{count: {A_TURN - 8}}}
  trigger: {{minNewCalls: {A_TURN}}}
---
apiVersion: loopwright.dev/v1alpha1
kind: FineTuneJob
metadata: {{name: desk}}
spec:
  provider: local
  base: builtin:tiny-chat
  dataset: Dataset/desk
  method: full
  hyperparameters: {{maxSteps: 12, batchSize: 8, learningRate: 0.002}}
  seed: 7
---
apiVersion: loopwright.dev/v1alpha1
kind: Endpoint
metadata: {{name: candidate}}
spec: {{provider: local, model: {{fineTuneJob: FineTuneJob/desk}}}}
---
apiVersion: loopwright.dev/v1alpha1
kind: Endpoint
metadata: {{name: student}}
spec:
  provider: local
  model: {{base: "builtin:tiny-chat"}}
  promote:
    from: FineTuneJob/desk
    gate: {{evalRun: EvalRun/desk, minComposite: 10}}
---
apiVersion: loopwright.dev/v1alpha1
kind: EvalSuite
metadata: {{name: desk}}
spec:
  capabilities:
    - name: routing
      datasets:
        - name: tickets
          file: tickets.jsonl
          method: jsonValid
          parameters: {{temperature: 0, max_tokens: 24}}
---
apiVersion: loopwright.dev/v1alpha1
kind: EvalRun
metadata: {{name: desk}}
spec: {{provider: local, suite: desk, endpoint: candidate}}
"""


class Watched:
    """A project that a watcher keeps; the test only reads, and calls as clients do."""

    def __init__(self, checkout: Checkout) -> None:
        self.checkout = checkout
        self._log = (checkout.folder / "watch.out").open("w")
        command = [sys.executable, "-m", "loopwright", "watch", "--interval", "2s", "--no-listen"]
        self.process = subprocess.Popen(
            command, cwd=checkout.folder, stdout=self._log, stderr=subprocess.STDOUT
        )

    def record(self, address: str) -> dict[str, Any]:
        """What the state says of it; empty before it is there."""
        found = [one for one in self.checkout.json("get") if one["address"] == address]
        return dict(found[0]) if found else {}

    def serves(self, endpoint: str, model: str) -> bool:
        return bool(self.record(f"Endpoint/{endpoint}")["spec"]["model"] == {"model": model})

    def until(self, holds: Callable[[], object]) -> None:
        deadline = time.monotonic() + _PATIENCE
        while not holds():
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.5)

    def ask(self, endpoint: str, *questions: str) -> list[str]:
        """Calls of the openai client; the model that answered each."""
        url = self.record(f"Endpoint/{endpoint}")["outputs"]["url"]
        with openai.OpenAI(base_url=url, api_key="any") as client:
            return [
                client.chat.completions.create(
                    model=endpoint,
                    messages=[{"role": "user", "content": question}],
                    temperature=0,
                    max_tokens=24,
                ).model
                for question in questions
            ]

    def said(self) -> str:
        return (self.checkout.folder / "watch.out").read_text(encoding="utf-8")

    def end(self) -> int:
        """As a service manager ends it; returns its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(_PATIENCE)
        finally:
            self.process.kill()
            self._log.close()


def questions() -> list[str]:
    lines = (EXAMPLE / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["messages"][-1]["content"] for line in lines]


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    with desk_models() as teacher:
        manifest = MANIFESTS.replace("UPSTREAM", teacher.url)
        (tmp_path / "loop.yaml").write_text(manifest, encoding="utf-8")
        (tmp_path / "loopwright.yaml").write_text("gateway: {listen: '127.0.0.1:0'}\n")
        tickets = (EXAMPLE / "eval/tickets.jsonl").read_text(encoding="utf-8").splitlines()
        (tmp_path / "tickets.jsonl").write_text("\n".join(tickets[:12]) + "\n", encoding="utf-8")
        project = Watched(Checkout(tmp_path))
        try:
            yield project
        finally:
            project.end()


def test_calls_alone_make_versions_models_and_promotions_turn_after_turn(watched: Watched) -> None:
    watched.until(lambda: watched.record("Endpoint/teacher").get("outputs", {}).get("url"))
    watched.until(lambda: watched.record("Endpoint/student").get("outputs", {}).get("url"))
    assert watched.ask("student", "The parcel is late.") == ["builtin:tiny-chat"]
    asked = questions()
    for turn in (1, 2):
        part = asked[A_TURN * (turn - 1) : A_TURN * turn]
        assert set(watched.ask("teacher", *part)) == {TEACHER}
        watched.until(partial(watched.serves, "student", f"Model/desk@{turn}"))
    watched.until(lambda: watched.ask("student", "The parcel is late.") == ["desk@2"])
    assert watched.end() == 0, watched.said()
    assert [one["version"] for one in watched.checkout.json("models list")] == [1, 2]
    told = watched.checkout.run("history Endpoint/student")
    assert told.count("promot") >= 2, told
    actors = {one["actor"] for one in watched.checkout.json("history -n 1000")}
    assert {actor.rpartition(" ")[2] for actor in actors if actor} == {str(watched.process.pid)}
    assert watched.checkout.run("plan").startswith("No changes.")
