"""Candidates that are no good stay out, each with a reason, and what served goes on serving.

One project, really trained: first a model that routes tickets is promoted; then every test makes
its job's next model out of something broken.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import openai
import pytest
from checkout import HOME, Checkout

from support.desk_models import TEACHER, answer

pytestmark = pytest.mark.slow

EXAMPLE = HOME / "examples/08-distil"
GOOD = "{maxSteps: 140, batchSize: 8, learningRate: 0.002}"
BARELY = "{maxSteps: 1, batchSize: 8, learningRate: 0.000001}"
MANIFESTS = """\
apiVersion: loopwright.dev/v1alpha1
kind: Provider
metadata: {name: local}
spec: {type: local}
---
apiVersion: loopwright.dev/v1alpha1
kind: Lake
metadata: {name: main}
spec: {provider: local, storage: .loopwright/lake}
---
apiVersion: loopwright.dev/v1alpha1
kind: CallImport
metadata: {name: calls}
spec: {provider: local, lake: main, files: [calls.jsonl]}
---
apiVersion: loopwright.dev/v1alpha1
kind: Dataset
metadata: {name: desk}
spec: {provider: local, source: {lake: main}}
---
apiVersion: loopwright.dev/v1alpha1
kind: FineTuneJob
metadata: {name: desk}
spec:
  provider: local
  base: BASE
  dataset: Dataset/desk
  method: full
  hyperparameters: HOW
  seed: 7
---
apiVersion: loopwright.dev/v1alpha1
kind: Endpoint
metadata: {name: candidate}
spec: {provider: local, model: {fineTuneJob: FineTuneJob/desk}}
---
apiVersion: loopwright.dev/v1alpha1
kind: Endpoint
metadata: {name: desk}
spec:
  provider: local
  model: {base: "builtin:tiny-chat"}
  promote:
    from: FineTuneJob/desk
    gate: GATE
---
apiVersion: loopwright.dev/v1alpha1
kind: EvalSuite
metadata: {name: desk}
spec:
  capabilities:
    - name: routing
      datasets:
        - name: tickets
          file: tickets.jsonl
          method: exactMatch
          compare: {asJson: true}
          parameters: {temperature: 0, max_tokens: 24}
---
apiVersion: loopwright.dev/v1alpha1
kind: EvalRun
metadata: {name: desk}
spec: {provider: local, suite: desk, endpoint: candidate, baseline: desk}
"""


class Desk:
    """A project whose endpoint `desk` serves a good model from the start."""

    def __init__(self, folder: Path) -> None:
        self.checkout = Checkout(folder)
        _write_calls(folder / "calls.jsonl")
        tickets = (EXAMPLE / "eval/tickets.jsonl").read_text(encoding="utf-8")
        (folder / "tickets.jsonl").write_text(tickets, encoding="utf-8")
        (folder / "loopwright.yaml").write_text("gateway: {listen: '127.0.0.1:0'}\n")
        self.tune("builtin:tiny-chat", how=GOOD, gate="minComposite: 25")
        self.served = self.model

    def tune(self, base: str, *, how: str, gate: str, expect: int = 0) -> str:
        """Make a model of this base and judge it; what the command said."""
        values = {"BASE": f'"{base}"', "HOW": how, "GATE": f"{{evalRun: EvalRun/desk, {gate}}}"}
        text = MANIFESTS
        for name, value in values.items():
            text = text.replace(f": {name}\n", f": {value}\n")
        (self.checkout.folder / "desk.yaml").write_text(text, encoding="utf-8")
        return self.checkout.run("apply --yes --wait", expect=expect)

    def base(self, name: str) -> Path:
        """A copy of the shipped base model, to be broken."""
        self.checkout.run(f"models export builtin:tiny-chat --to {name}")
        return self.checkout.folder / name

    @property
    def model(self) -> dict[str, Any]:
        (endpoint,) = self.checkout.json("get Endpoint/desk")
        return dict(endpoint["spec"]["model"])

    @property
    def scores(self) -> dict[str, Any]:
        (run,) = self.checkout.json("get EvalRun/desk")
        return dict(run["outputs"])

    def ask(self) -> tuple[str, str]:
        """The model that answers a client, and whether it does so as it was taught."""
        (endpoint,) = self.checkout.json("get Endpoint/desk")
        (line, *_) = (EXAMPLE / "questions.jsonl").read_text(encoding="utf-8").splitlines()
        with openai.OpenAI(base_url=endpoint["outputs"]["url"], api_key="any") as client:
            said = client.chat.completions.create(
                model="desk", messages=json.loads(line)["messages"], temperature=0, max_tokens=24
            )
        return said.model, str(said.choices[0].message.content)

    def refused(self, *reasons: str) -> None:
        """The newest candidate was: for these reasons, on record, and clients saw nothing of it."""
        told = self.checkout.run("describe Endpoint/desk")
        assert "rejected" in told or "refused" in told, told
        for reason in reasons:
            assert reason in told, told
        assert self.model == self.served
        label, text = self.ask()
        assert label == "desk@1"
        assert json.loads(text).keys() == {"desk"}
        assert self.checkout.run("plan").startswith("No changes."), "it is not tried again"


def _write_calls(path: Path) -> None:
    """The example's questions with the answers of its teacher, as recorded calls."""
    lines = (EXAMPLE / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    with path.open("w", encoding="utf-8") as out:
        for number, line in enumerate(lines):
            messages = json.loads(line)["messages"]
            said = answer({"model": TEACHER, "messages": messages})
            call = {
                "endpoint": "desk",
                "model": TEACHER,
                "created": 1_790_000_000 + 60 * number,
                "messages": [*messages, {"role": "assistant", "content": said}],
            }
            out.write(json.dumps(call) + "\n")


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return Desk(tmp_path_factory.mktemp("desk"))


def test_the_good_one_is_promoted(desk: Desk) -> None:
    assert desk.served == {"model": "Model/desk@1"}
    assert desk.scores["composite"] > 25
    assert desk.ask()[0] == "desk@1"


def test_garbage_weights_reach_no_composite(desk: Desk) -> None:
    import numpy as np
    from safetensors.numpy import load_file, save_file

    weights = desk.base("garbage") / "model.safetensors"
    noise = np.random.default_rng(7)
    tensors = {
        name: noise.standard_normal(tensor.shape).astype(tensor.dtype)
        for name, tensor in load_file(weights).items()
    }
    save_file(tensors, weights, metadata={"format": "pt"})
    desk.tune("./garbage", how=BARELY, gate="minComposite: 25")
    assert desk.scores["composite"] < 5
    desk.refused("composite 0.0 < 25")


def test_a_template_that_asks_in_other_marks_than_were_trained_reaches_no_composite(
    desk: Desk,
) -> None:
    template = desk.base("mixed") / "chat_template.jinja"
    asks = (
        "{%- if add_generation_prompt %}{% for message in messages %}"
        "### {{ message['role'] | upper }} ###\n{{ message['content'] }}\n"
        "{% endfor %}### ASSISTANT ###\n{% else %}"
    )
    template.write_text(asks + template.read_text(encoding="utf-8") + "{% endif %}")
    desk.tune("./mixed", how=GOOD, gate="minComposite: 25")
    desk.refused(f"composite {desk.scores['composite']:.1f} < 25")


def test_a_template_that_never_ends_an_answer_is_refused_before_any_step(desk: Desk) -> None:
    template = desk.base("endless") / "chat_template.jinja"
    text = template.read_text(encoding="utf-8")
    broken = text.replace("{{ '<|im_end|>' }}{% endgeneration %}", "{% endgeneration %}")
    assert broken != text
    template.write_text(broken, encoding="utf-8")
    desk.tune("./endless", how=GOOD, gate="minComposite: 25", expect=5)
    told = desk.checkout.run("describe FineTuneJob/desk")
    assert "ends an answer with no special token" in told
    assert desk.model == desk.served


def test_a_model_that_is_worse_than_what_serves_is_not_promoted(desk: Desk) -> None:
    desk.tune("builtin:tiny-chat", how=BARELY, gate="maxRegression: 2")
    told = desk.scores
    assert told["composite"] < told["baseline"]["composite"] - 10
    desk.refused("routing -", "< -2")
