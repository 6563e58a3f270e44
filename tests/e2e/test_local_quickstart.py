"""The quickstart as a person runs it: recorded calls in, an exact dataset out, and nothing left."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]


def _loopwright(project: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "loopwright", *arguments],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_the_quickstart_makes_a_dataset_that_verifies_and_then_has_nothing_to_do(
    tmp_path: Path,
) -> None:
    shutil.copytree(REPOSITORY / "manifests", tmp_path / "manifests")
    said = _loopwright(tmp_path, "apply", "manifests", "--yes", "--wait")
    assert "3,947 read, 3,947 added" in said
    assert "back it up" in said
    assert "Applied: 5 done." in said
    assert "No changes." in _loopwright(tmp_path, "plan", "manifests")
    assert "gives the same again" in _loopwright(tmp_path, "dataset", "verify", "ticket-router")
    assert "as it was written" in _loopwright(tmp_path, "lake", "verify")
    exported, version = (
        (tmp_path / folder / "train.jsonl").read_bytes()
        for folder in (
            "exports/ticket-router",
            ".loopwright/default/datasets/ticket-router/v1",
        )
    )
    assert exported == version
