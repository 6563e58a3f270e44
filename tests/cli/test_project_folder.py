"""Which project a command means that is run, or pointed, where the manifests lie."""

from __future__ import annotations

from pathlib import Path

import pytest

from loopwright.cli import run

MANIFESTS = """
apiVersion: loopwright.dev/v1alpha1
kind: Provider
metadata: {name: local}
spec: {type: local}
---
apiVersion: loopwright.dev/v1alpha1
kind: Lake
metadata: {name: main}
spec: {provider: local, storage: "${STORAGE}"}
"""
DECLARED = "variables: {STORAGE: {default: lake}}\n"


@pytest.fixture
def manifests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """As in the quickstart: the project file lies among the manifests."""
    folder = tmp_path / "manifests"
    folder.mkdir()
    (folder / "loopwright.yaml").write_text(DECLARED)
    (folder / "all.yaml").write_text(MANIFESTS)
    monkeypatch.chdir(tmp_path)
    return folder


def test_commands_beside_the_manifests_mean_the_project_that_applied_them(
    manifests: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["apply", "manifests", "--yes"]) == 0
    monkeypatch.chdir(manifests)
    assert run(["plan", "--detailed-exitcode"]) == 0
    capsys.readouterr()
    assert run(["lake", "status"]) == 0
    assert "Lake/main" in capsys.readouterr().out
    assert not (manifests / ".loopwright").exists()


def test_a_project_inside_another_one_that_never_read_it_is_its_own(
    manifests: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert run(["apply", "manifests", "--yes"]) == 0
    other = tmp_path / "other"
    manifests.rename(other)
    (other / "all.yaml").write_text(MANIFESTS.replace("main", "second"))
    monkeypatch.chdir(other)
    assert run(["apply", "--yes"]) == 0
    assert (other / "lake" / "lake.json").is_file()
    assert (other / ".loopwright").is_dir()


@pytest.mark.usefixtures("manifests")
def test_a_file_is_read_with_the_project_file_beside_it(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run(["validate", "manifests/all.yaml"]) == 0
    assert run(["apply", "manifests/all.yaml", "--yes"]) == 0
    assert run(["plan", "manifests", "--detailed-exitcode"]) == 0
    (tmp_path / "loopwright.yaml").write_text("variables: {OTHER: {default: a}}\n")
    capsys.readouterr()
    assert run(["validate", "manifests/all.yaml"]) == 1
    said = capsys.readouterr()
    assert "STORAGE" in said.out + said.err
