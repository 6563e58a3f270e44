"""Optional, on real text: no question of a public test set is left in what is trained on."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest
from banking77 import SOURCE, write_calls
from checkout import Checkout

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not SOURCE.is_dir(), reason="the Banking77 files are not here"),
]
MANIFESTS = """
apiVersion: loopwright.dev/v1alpha1
kind: Provider
metadata: {name: local}
spec: {type: local}
---
apiVersion: loopwright.dev/v1alpha1
kind: Lake
metadata: {name: bank}
spec: {provider: local, storage: lake}
---
apiVersion: loopwright.dev/v1alpha1
kind: CallImport
metadata: {name: recorded}
spec: {provider: local, lake: bank, files: [calls.jsonl]}
---
apiVersion: loopwright.dev/v1alpha1
kind: Dataset
metadata: {name: intents}
spec: {provider: local, source: {lake: bank}, cleaning: {dedup: near}, split: {validation: 0.1}}
---
apiVersion: loopwright.dev/v1alpha1
kind: EvalSuite
metadata: {name: bank}
spec:
  capabilities:
    - name: intents
      datasets: [{name: test, file: test.csv, method: exactMatch}]
"""


def test_questions_of_the_test_set_are_left_out_and_counted(tmp_path: Path) -> None:
    """The public training set holds dozens of questions of its own test set."""
    checkout = Checkout(tmp_path)
    recorded = write_calls(SOURCE, tmp_path / "calls.jsonl")
    (tmp_path / "test.csv").write_bytes((SOURCE / "test.csv").read_bytes())
    (tmp_path / "bank.yaml").write_text(MANIFESTS)
    checkout.run("apply bank.yaml --yes --wait")
    version = json.loads(checkout.run("dataset show intents --json"))
    leaks = version["leaks"]["bank/intents/test"]
    assert leaks["equal"] > 20
    assert 50 < sum(leaks.values()) == version["dropped"]["contaminated"] < 100
    assert version["rows"] + sum(version["dropped"].values()) == recorded
    assert set(version["split"]["lines"]) == {"train", "validation"}

    with (tmp_path / "test.csv").open(encoding="utf-8", newline="") as handle:
        asked = {folded(row["text"]) for row in csv.DictReader(handle)}
    folder = tmp_path / ".loopwright/default/datasets/intents/v1"
    trained = {
        folded(json.loads(line)["messages"][1]["content"])
        for name in ("train.jsonl", "validation.jsonl")
        for line in (folder / name).read_text(encoding="utf-8").splitlines()
    }
    assert trained.isdisjoint(asked)
    assert "as it was built" in checkout.run("dataset verify intents")


def folded(text: str) -> str:
    return re.sub(r"[\W_]+", "", text.casefold())
