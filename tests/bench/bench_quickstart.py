"""The finished quickstart applied again: no job runs, and it costs little more than a plan.

    pytest -m bench -n 0 -s tests/bench/bench_quickstart.py

CPU seconds of the whole command, children that it waits for included; the daemon serves meanwhile.
"""

from __future__ import annotations

import os
import resource
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HOME = Path(__file__).resolve().parents[2]
ROUNDS = 7


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    project = tmp_path_factory.mktemp("quickstart")
    shutil.copytree(HOME / "manifests", project / "manifests")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GATEWAY", "127.0.0.1:0")
        run(project, "apply", "manifests", "--yes", "--wait")
        yield project
        run(project, "serve", "--stop")


def run(project: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "loopwright", *arguments],
        cwd=project,
        env=os.environ,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def cpu_of(project: Path, *arguments: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    said = run(project, *arguments)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert said.startswith("No changes."), said
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@pytest.mark.bench
def test_a_second_apply_runs_no_job_and_costs_less_than_three_plans(finished: Path) -> None:
    jobs = sorted((finished / ".loopwright/default/jobs").iterdir())
    plans, applies = [], []
    for _ in range(ROUNDS):
        plans.append(cpu_of(finished, "plan", "manifests"))
        applies.append(cpu_of(finished, "apply", "manifests", "--yes", "--wait"))
    plan, apply = statistics.median(plans), statistics.median(applies)
    print(f"\nplan {plan:.2f} s, second apply {apply:.2f} s: {apply / plan:.2f} (limit 3)")
    assert sorted((finished / ".loopwright/default/jobs").iterdir()) == jobs
    assert apply < 3 * plan
