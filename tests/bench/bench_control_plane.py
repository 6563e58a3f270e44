"""The control plane as a process, against terraform where it is on PATH.

N resources in chains of five, on the memory provider with its world in a file, so that every
run pays for reading manifests, state and world. CPU is user + system of the process and its
children, peak memory the largest of them; terraform plans as many `terraform_data`.

Run: pytest -m bench -n 0 -s tests/bench/bench_control_plane.py
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = pytest.mark.bench
SIZES = [int(n) for n in os.environ.get("LOOPWRIGHT_BENCH_SIZES", "1000,5000").split(",")]
_LOOPWRIGHT = [sys.executable, "-m", "loopwright"]


@dataclass(frozen=True)
class Usage:
    wall: float
    cpu: float
    peak_mib: float
    code: int


def measured(command: Sequence[str], cwd: Path) -> Usage:
    """Run to its end; CPU and peak of it and of its children that it waited for."""
    started = time.perf_counter()
    with subprocess.Popen(command, cwd=cwd, stdout=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - started
    return Usage(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, process.returncode)


def manifests(count: int) -> Iterator[str]:
    """Chains of five that need each other: lake, endpoint, delivery, dataset, export."""
    head = (
        "---\napiVersion: loopwright.dev/v1alpha1\nkind: {kind}\nmetadata:\n  name: {name}\nspec:\n"
    )
    yield head.format(kind="Provider", name="mem")
    yield "  type: memory\n  connection:\n    world: world.jsonl\n"
    for index in range(count // 5):
        for kind, body in (
            ("Lake", f"  storage: lakes/{index}\n"),
            ("Endpoint", "  model:\n    base: tiny\n  rateLimit:\n    rpm: 60\n    tpm: 9000\n"),
            ("Delivery", f"  endpoint: n{index}\n  lake: n{index}\n"),
            ("Dataset", f"  source:\n    lake: n{index}\n  sampling:\n    ratio: 0.2\n"),
            ("Export", f"  source:\n    dataset: n{index}\n  to:\n    path: out/{index}\n"),
        ):
            yield head.format(kind=kind, name=f"n{index}") + "  provider: mem\n" + body


def terraform_config(count: int) -> Iterator[str]:
    for index in range(count):
        after = f"terraform_data.n{index - 1}.output.name" if index % 5 else '"first"'
        yield (
            f'resource "terraform_data" "n{index}" {{\n'
            f'  input = {{ name = "n{index}", rpm = 60, tpm = 9000, after = {after} }}\n}}\n'
        )


def row(title: str, ours: Usage, theirs: Usage | None) -> None:
    line = f"{title:<28} {ours.cpu:7.2f} CPU-s {ours.wall:7.2f} s {ours.peak_mib:6.0f} MiB"
    if theirs:
        line += (
            f" | terraform {theirs.cpu:7.2f} CPU-s {theirs.peak_mib:6.0f} MiB"
            f" | CPU {ours.cpu / theirs.cpu:5.2f}  memory {ours.peak_mib / theirs.peak_mib:4.2f}"
        )
    print(line)


class Terraform:
    """The peer, in a folder of its own."""

    def __init__(self, folder: Path, count: int) -> None:
        self.folder = folder
        folder.mkdir()
        (folder / "main.tf").write_text("".join(terraform_config(count)))
        self._env("init")

    def _env(self, *arguments: str) -> Usage:
        os.environ["CHECKPOINT_DISABLE"] = "1"
        return measured(["terraform", *arguments, "-no-color"], self.folder)

    def plan(self) -> Usage:
        return self._env("plan")

    def apply(self) -> Usage:
        return self._env("apply", "-auto-approve")


@pytest.mark.parametrize("count", SIZES)
def test_plan_and_apply(count: int, tmp_path: Path) -> None:
    peer = Terraform(tmp_path / "peer", count) if shutil.which("terraform") else None
    ours = tmp_path / "ours"
    ours.mkdir()
    (ours / "all.yaml").write_text("".join(manifests(count)))
    print(f"\n{count} resources in chains of five")
    row("first plan", measured([*_LOOPWRIGHT, "plan", "."], ours), peer and peer.plan())
    applied = measured([*_LOOPWRIGHT, "apply", ".", "--yes", "--wait"], ours)
    assert applied.code == 0
    affordable = peer is not None and count <= 1000  # larger ones do not end in minutes
    row("apply", applied, peer.apply() if peer and affordable else None)
    noop = measured([*_LOOPWRIGHT, "plan", ".", "--detailed-exitcode"], ours)
    assert noop.code == 0
    row("no-op plan", noop, peer.plan() if peer and affordable else None)


def test_start(tmp_path: Path) -> None:
    def fastest(*command: str) -> Usage:
        return min((measured(command, tmp_path) for _ in range(10)), key=lambda used: used.wall)

    console = str(Path(sys.executable).with_name("loopwright"))
    peer = fastest("terraform", "version") if shutil.which("terraform") else None
    print()
    for arguments in (["--version"], ["--help"]):
        used = fastest(console, *arguments)
        row(f"loopwright {arguments[0]}", used, None)
        if peer:
            print(f"{'':<28} wall {used.wall / peer.wall:.2f} times terraform version")
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss > 0
