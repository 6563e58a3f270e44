"""Jobs under the engine: what decides a run makes a new one, what does not is left alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from loopwright.cli import run
from support.local_worlds import RECORDED_CALLS, do_jobs_inline, line, write_lines
from support.tiny_models import make_light_base
from support.trainers import Trainer

MANIFESTS = (
    RECORDED_CALLS
    + """\
---
apiVersion: loopwright.dev/v1alpha1
kind: Dataset
metadata: {name: set}
spec: {provider: local, source: {lake: main}, sampling: {ratio: 1.0}}
---
apiVersion: loopwright.dev/v1alpha1
kind: FineTuneJob
metadata: {name: router}
spec: {provider: local, base: base, dataset: set, method: full, SAID}
"""
)
Apply = Callable[..., str]


@pytest.fixture
def trainer(monkeypatch: pytest.MonkeyPatch) -> Trainer:
    found = Trainer()
    do_jobs_inline(monkeypatch)
    monkeypatch.setattr("loopwright.tuning.launching.run", found)
    return found


@pytest.fixture
def apply(tmp_path: Path, trainer: Trainer, capsys: pytest.CaptureFixture[str]) -> Apply:
    """Applies the project with these words in the job; gives what the plan before it printed."""
    make_light_base(tmp_path / "base")
    write_lines(tmp_path / "calls.jsonl", [line(n) for n in range(20)])

    def said(words: str, *, jobs: str = "") -> str:
        (tmp_path / "all.yaml").write_text(MANIFESTS.replace("SAID", words) + jobs)
        where = [str(tmp_path / "all.yaml"), "--project", str(tmp_path)]
        capsys.readouterr()
        run(["plan", *where])
        plan = capsys.readouterr().out
        assert run(["apply", *where, "--yes", "--wait"]) == 0
        return plan

    return said


def test_the_same_run_is_never_repeated(apply: Apply, trainer: Trainer, tmp_path: Path) -> None:
    apply("seed: 1")
    assert trainer.trained == 1
    assert "No changes" in apply("seed: 1")
    for words in ("seed: 1, modelsKept: 3", "seed: 1, engine: accelerate"):
        assert "run      FineTuneJob" not in apply(words)
    assert trainer.trained == 1
    assert "seed 1 -> 2" in apply("seed: 2")
    assert "v1 is the same run" in apply("seed: 1")
    assert trainer.trained == 2
    assert "processes 1 -> 2" in apply("seed: 1, engine: accelerate, processes: 2")
    make_light_base(tmp_path / "base", content=b"other weights")
    apply("seed: 1")
    assert trainer.trained == 4


def test_words_that_come_to_the_same_pay_for_nothing(apply: Apply, trainer: Trainer) -> None:
    apply("hyperparameters: {learningRate: 0.003, batchSize: 4}")
    for words in (
        "hyperparameters: {learningRate: '3e-3', batchSize: 4.0}",
        "hyperparameters: {learningRate: 0.003, batchSize: 4, gradientAccumulation: 1, epochs: 3}",
        "hyperparameters: {learningRate: 0.003, batchSize: 4, checkpointsKept: 5}",
    ):
        assert "run      FineTuneJob" not in apply(words)
        assert "No changes" in apply(words)
    assert trainer.trained == 1
    edit = apply("hyperparameters: {learningRate: 0.003, batchSize: 5}")
    assert "batchSize 4 -> 5" in edit
    assert trainer.trained == 2


def test_a_base_that_became_another_is_named(apply: Apply, tmp_path: Path) -> None:
    apply("seed: 1")
    make_light_base(tmp_path / "base", content=b"other weights")
    assert "what base stands for changed" in " ".join(apply("seed: 1").split())


def test_two_jobs_of_equal_specs_make_a_model_each(apply: Apply, trainer: Trainer) -> None:
    other = MANIFESTS[MANIFESTS.rindex("---") :].replace("SAID", "seed: 1")
    apply("seed: 1", jobs=other.replace("router", "other"))
    assert trainer.trained == 2


def test_lost_state_is_rebuilt_without_training_again(
    apply: Apply, trainer: Trainer, tmp_path: Path
) -> None:
    apply("seed: 1")
    for name in ("state.db", "state.db-wal", "state.db-shm"):
        (tmp_path / ".loopwright/default" / name).unlink(missing_ok=True)
    assert run(["adopt", "--all", str(tmp_path / "all.yaml"), "--project", str(tmp_path)]) == 0
    assert "run      FineTuneJob" not in apply("seed: 1")
    assert trainer.trained == 1


def test_a_budget_below_the_estimate_is_refused(
    apply: Apply, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    apply("seed: 1")
    words = "seed: 2, budget: {tokens: 10}"
    (tmp_path / "all.yaml").write_text(MANIFESTS.replace("SAID", words))
    where = [str(tmp_path / "all.yaml"), "--project", str(tmp_path)]
    assert run(["apply", *where, "--yes"]) == 7
    assert "is over spec.budget.tokens 10" in capsys.readouterr().out


def test_a_plan_puts_each_problem_at_its_line_and_what_to_do_below_it(
    apply: Apply, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    endpoint = """\
---
apiVersion: loopwright.dev/v1alpha1
kind: Endpoint
metadata: {name: chat}
spec:
  provider: local
  type: custom
  model:
    base: builtin:tiny-chap
"""
    words = "\n  hyperparameters: {epochs: -1,\n    learningrate: 1}\n"
    file = tmp_path / "all.yaml"
    file.write_text(MANIFESTS.replace("SAID", words) + endpoint)
    assert run(["plan", str(file), "--project", str(tmp_path)]) == 1
    told = capsys.readouterr().err.removeprefix("error: ").splitlines()
    lines = file.read_text().splitlines()
    assert [_line(one, lines) for one in told[:4] if not one.startswith("  hint: ")] == [
        "base: builtin:tiny-chap",
        "hyperparameters: {epochs: -1,",
        "learningrate: 1}",
    ]
    assert told[1].startswith("  hint: shipped: builtin:")
    assert told[4:] == ["  hint: docs/training.md lists names, ranges and defaults"]


def _line(told: str, lines: list[str]) -> str:
    """The line of the manifest that a message points at."""
    return lines[int(told.split(":")[1]) - 1].strip()
