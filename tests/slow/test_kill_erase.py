"""Thirty erasures killed midway: resumed, nothing of the subject is left, and all of the rest."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from loopwright.cli import run
from loopwright.errors import LakeKeyError
from loopwright.lake.keys import MasterKey
from loopwright.lake.store import Lake
from support.local_worlds import RECORDED_CALLS, do_jobs_inline, line, write_lines

pytestmark = pytest.mark.slow

ALICE, SECRET = "alice@example.com", "ultramarine"
MANIFESTS = (
    RECORDED_CALLS
    + """\
---
apiVersion: loopwright.dev/v1alpha1
kind: Dataset
metadata: {name: set}
spec: {provider: local, source: {lake: main}, sampling: {ratio: 1.0}}
"""
)
_PATIENCE = 120.0


def quoting(folder: Path) -> list[Path]:
    words = (SECRET.encode(), ALICE.encode())
    return [
        path
        for path in folder.rglob("*")
        if path.is_file() and any(word in path.read_bytes() for word in words)
    ]


def kill_an_erasure(folder: Path, chance: random.Random) -> None:
    """Start one, and kill it a moment after it has written its journal."""
    deadline = time.monotonic() + _PATIENCE
    command = [sys.executable, "-m", "loopwright", "erase", "--subject", ALICE, "--yes"]
    with subprocess.Popen(
        command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as child:
        try:
            while not (folder / "lake/erasures").exists() and child.poll() is None:
                assert time.monotonic() < deadline
                time.sleep(0.001)
            time.sleep(chance.uniform(0, 0.15))
        finally:
            child.kill()


@pytest.mark.parametrize("seed", range(30))
def test_a_killed_erasure_is_finished_by_the_next(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    do_jobs_inline(monkeypatch)
    calls = [
        line(n, text=f"{SECRET if n % 3 else 'plain'} {n}") | {"user": ALICE if n % 3 else "bob"}
        for n in range(90)
    ]
    write_lines(tmp_path / "calls.jsonl", calls)
    (tmp_path / "all.yaml").write_text(MANIFESTS)
    project = ["--project", str(tmp_path)]
    assert run(["apply", str(tmp_path / "all.yaml"), "--yes", "--wait", *project]) == 0
    (tmp_path / "calls.jsonl").unlink()
    copied = shutil.copytree(tmp_path / "lake", tmp_path.parent / f"{tmp_path.name}-copy")

    kill_an_erasure(tmp_path, random.Random(seed))
    assert run(["erase", "--resume", "--yes", *project]) == 0
    assert quoting(tmp_path) == []
    master = MasterKey.from_file(tmp_path / ".loopwright/keys/main.key")
    lake = Lake.open(tmp_path / "lake", master=master)
    assert (lake.status().calls, lake.verify()) == (30, [])
    with pytest.raises(LakeKeyError, match="wrong master key"):
        Lake.open(copied, master=master)
    assert run(["dataset", "verify", "set", *project]) == 0
