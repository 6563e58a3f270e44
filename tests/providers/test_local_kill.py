"""Kills at any moment of an import, a build and an apply: one version, and nothing doubled."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from loopwright.lake.datasets.catalog import Catalog
from loopwright.lake.datasets.verifying import verify
from loopwright.lake.keys import Role
from loopwright.providers.base import Operation, OperationStatus, Resolved, Target
from loopwright.providers.local.job_folder import JobFolder
from loopwright.providers.local.jobs import MOST_ATTEMPTS, job_id
from loopwright.providers.local.provider import LocalProvider
from support.local_worlds import RECORDED_CALLS, LocalWorld, line, resolved, succeeded, write_lines

CALLS = 12_000
MANIFESTS = (
    RECORDED_CALLS
    + """\
---
apiVersion: loopwright.dev/v1alpha1
kind: Dataset
metadata: {name: set}
spec: {provider: local, source: {lake: main}, sampling: {ratio: 0.5}}
---
apiVersion: loopwright.dev/v1alpha1
kind: Export
metadata: {name: copy}
spec: {provider: local, source: {dataset: set}, to: {path: out}}
"""
)


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    write_lines(tmp_path / "calls.jsonl", (line(number) for number in range(CALLS)))
    (tmp_path / "all.yaml").write_text(MANIFESTS)
    yield tmp_path
    for folder in (tmp_path / ".loopwright/default/jobs").glob("*"):
        JobFolder(folder).send(signal.SIGKILL)


def _made_under_fire(world: LocalWorld, target: Target, shots: list[float]) -> Operation:
    """Created, and its process killed after each of these times, as often as it is forgiven."""
    adapter, key = world.adapter(target.address.kind), world.key()
    folder = JobFolder(world.provider.places.jobs / job_id(key))
    operation = adapter.create(target, key)
    for shot in shots[: MOST_ATTEMPTS - 1]:
        time.sleep(shot)
        folder.send(signal.SIGKILL)
        operation = adapter.poll(target, operation)
    while operation.status is OperationStatus.RUNNING:
        time.sleep(operation.poll_after)
        operation = adapter.poll(target, operation)
    return succeeded(operation)


def _calls_in(provider: LocalProvider, lake: Resolved) -> list[str]:
    snapshot = provider.open_lake("lake", lake.outputs, role=Role.READER).snapshot()
    return [
        call_id
        for batch in snapshot.scan(["call_id"])
        for call_id in batch.column("call_id").to_pylist()
    ]


@pytest.mark.parametrize(
    "seed", [pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 12)]
)
def test_an_import_and_a_build_that_are_killed_come_out_as_if_they_were_not(
    project: Path, seed: int
) -> None:
    chance = random.Random(seed)
    world = LocalWorld(project)
    lake = world.lake("main", storage="lake")
    recorded = world.target(
        "CallImport", "recorded", inputs={"lake": lake}, lake="main", files=["calls.jsonl"]
    )
    shots = [chance.uniform(0.3, 1.5) for _ in range(3)]
    imported = _made_under_fire(world, recorded, shots)
    held = _calls_in(world.provider, lake)
    assert len(held) == len(set(held)) == CALLS
    assert (imported.outputs["calls"], imported.outputs["read"]) == (CALLS, CALLS)

    built = _made_under_fire(world, world.dataset(lake, sampling={"ratio": 0.5}), shots)
    calm = LocalWorld(project, datasets="calm", keys=100)
    other = resolved(calm.dataset(lake), calm.made(calm.dataset(lake, sampling={"ratio": 0.5})))
    assert built.outputs["digest"] == other.digest
    catalog = Catalog(world.provider.datasets)
    assert catalog.versions("set") == (1,)
    assert verify(catalog, "set", 1).findings == ()


@pytest.mark.slow
@pytest.mark.parametrize(
    "seed", [1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 12))]
)
@pytest.mark.parametrize(
    "to", [{"path": "out"}, pytest.param({"inferenceDataset": "chats"}, marks=pytest.mark.slow)]
)
def test_an_export_that_is_killed_is_there_whole_and_nothing_beside_it(
    project: Path, to: dict[str, str], seed: int
) -> None:
    """The first, and the one that takes its place."""
    chance = random.Random(seed)
    world = LocalWorld(project)
    lake = world.lake("main", storage="lake")
    world.imported(lake, "calls.jsonl")
    source = {"lake": "main", "query": "SELECT call_id, request FROM calls"}
    target = world.target("Export", "all", inputs={"source.lake": lake}, source=source, to=to)
    for revision in (1, 2):
        shots = [chance.uniform(0.3, 1.5) for _ in range(3)]
        made = _made_under_fire(world, replace(target, revision=revision), shots)
        assert made.outputs["rows"] == CALLS
        assert world.adapter("Export").observe(target, made.external_id) is not None
        if "path" in to:
            lines = (project / "out" / "all.jsonl").read_bytes().splitlines()
            assert len(set(lines)) == CALLS
            assert not list(project.glob(".out*"))
        else:
            assert [path.name for path in world.provider.places.inference.iterdir()] == ["chats"]


def test_two_imports_and_two_builds_at_once_double_nothing(project: Path) -> None:
    world = LocalWorld(project)
    lake = world.lake("main", storage="lake")
    recorded = world.target(
        "CallImport", "recorded", inputs={"lake": lake}, lake="main", files=["calls.jsonl"]
    )
    for target in (recorded, world.dataset(lake, sampling={"ratio": 0.5})):
        adapter = world.adapter(target.address.kind)
        begun = [adapter.create(target, world.key()) for _ in range(2)]
        while any(not operation.status.is_terminal for operation in begun):
            time.sleep(0.05)
            begun = [adapter.poll(target, operation) for operation in begun]
        first, second = (succeeded(operation).outputs for operation in begun)
        assert first["digest"] == second["digest"]
        if target is recorded:
            assert first["added"] + second["added"] == CALLS
    held = _calls_in(world.provider, lake)
    assert len(held) == len(set(held)) == CALLS


@pytest.mark.parametrize(
    "seed", [1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 12))]
)
def test_an_apply_that_is_killed_again_and_again_ends_as_one_that_was_not(
    project: Path, seed: int
) -> None:
    chance = random.Random(seed)
    for _ in range(4):
        _apply(project, killed_after=chance.uniform(0.5, 4))
    _apply(project)
    provider = LocalWorld(project).provider
    catalog = Catalog(provider.datasets)
    assert (catalog.names(), catalog.versions("set")) == (("set",), (1,))
    key = {"masterKey": {"file": ".loopwright/keys/main.key"}}
    status = provider.open_lake("lake", key, role=Role.READER).status()
    assert status.calls == CALLS
    assert (project / "out/manifest.json").read_bytes() == (
        catalog.folder("set", 1) / "manifest.json"
    ).read_bytes()
    assert "No changes." in _loopwright(project, "plan").stdout


def _apply(project: Path, *, killed_after: float | None = None) -> None:
    command = [sys.executable, "-m", "loopwright", "apply", "--yes", "--wait", "all.yaml"]
    with subprocess.Popen(
        command, cwd=project, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        if killed_after is None:
            said, _ = process.communicate()
            assert process.returncode == 0, said
        else:
            try:
                process.wait(killed_after)
            except subprocess.TimeoutExpired:
                os.kill(process.pid, signal.SIGKILL)


def _loopwright(project: Path, command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "loopwright", command, "all.yaml"],
        cwd=project,
        capture_output=True,
        text=True,
        check=True,
    )
