"""What the page and the workflow say can be typed, run and copied."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from watch_bench import Bench, lake, provider

from loopwright.cli import cli
from loopwright.gitops.metrics import Metrics

DOCS = Path(__file__).parents[2] / "docs"
WORKFLOW = yaml.safe_load((DOCS / "github-actions-plan.yml").read_text())
PAGE = (DOCS / "watch.md").read_text()

GH = """#!/bin/sh
# Stands for GitHub's own client: one file is the one comment there may be.
case "$*" in
  *--paginate*) if [ -f comment ]; then echo 42; fi ;;
  *POST*) test ! -f comment && cp plan.md comment && echo POST >> calls ;;
  *PATCH*comments/42*) cp plan.md comment && echo PATCH >> calls ;;
  *) exit 9 ;;
esac
"""


def steps() -> dict[str, str]:
    found = WORKFLOW["jobs"]["plan"]["steps"]
    return {step["name"]: step["run"] for step in found if "run" in step}


def command_lines() -> Iterator[str]:
    text = "\n".join([*steps().values(), PAGE])
    for line in text.splitlines():
        words = line.strip().removeprefix("ExecStart=/opt/loopwright/bin/")
        if words.startswith("loopwright "):
            yield words


@pytest.mark.parametrize("line", list(command_lines()))
def test_every_command_line_is_one_that_loopwright_understands(line: str) -> None:
    words = shlex.split(line, comments=True)[1:]
    words = words[: next((i for i, word in enumerate(words) if ">" in word), len(words))]
    command = cli.get_command(click.Context(cli), words[0])
    assert command is not None
    command.make_context(words[0], words[1:])


def run(step: str, folder: Path, **environ: str) -> int:
    """Run a step as GitHub does, in a folder."""
    known = {
        "PATH": f"{folder}/bin:{os.environ['PATH']}",
        "GITHUB_OUTPUT": str(folder / "output"),
        "GITHUB_STEP_SUMMARY": str(folder / "summary"),
        "GITHUB_REPOSITORY": "team/flows",
        "PULL": "7",
        "LOOPWRIGHT_PROJECT": str(folder),
    }
    script = ["bash", "-e", "-c", steps()[step]]
    environ = {**os.environ, **known, **environ}
    return subprocess.run(script, cwd=folder, env=environ, check=False).returncode


@pytest.fixture
def checkout(bench: Bench) -> Bench:
    """A checkout with `loopwright` and `gh` on the path."""
    commands = bench.folder / "bin"
    commands.mkdir()
    scripts = {"gh": GH, "loopwright": f'#!/bin/sh\nexec {sys.executable} -m loopwright "$@"\n'}
    for name, script in scripts.items():
        (commands / name).write_text(script)
        (commands / name).chmod(0o755)
    bench.manifests.mkdir()
    (bench.folder / "manifests").symlink_to(bench.manifests)
    return bench


def code(folder: Path) -> str:
    return (folder / "output").read_text().split("=")[-1].strip()


def test_the_workflow_keeps_one_comment_up_to_date(checkout: Bench) -> None:
    folder = checkout.folder
    checkout.write(provider(), lake())
    assert run("Plan", folder) == 0
    assert run("Comment", folder) == 0
    first = (folder / "comment").read_text()
    assert first.startswith("<!-- loopwright-plan -->")
    assert "Lake/main" in first
    assert run("Verdict", folder, CODE=code(folder)) == 0
    checkout.write(provider(), "kind: [")
    assert run("Plan", folder) == 0
    assert run("Comment", folder) == 0
    second = (folder / "comment").read_text()
    assert second.startswith("<!-- loopwright-plan -->\n### No plan")
    assert "cannot parse YAML" in second
    assert run("Verdict", folder, CODE=code(folder)) == 1
    assert (folder / "calls").read_text().split() == ["POST", "PATCH"]
    assert not (folder / "world.jsonl").exists()


def test_the_workflow_never_runs_a_fork_on_a_machine_of_ones_own() -> None:
    job: dict[str, Any] = WORKFLOW["jobs"]["plan"]
    assert "self-hosted" in job["runs-on"]
    assert job["if"] == "github.event.pull_request.head.repo.full_name == github.repository"
    assert WORKFLOW["permissions"] == {"contents": "read", "pull-requests": "write"}


def test_the_page_lists_every_metric() -> None:
    metrics = Metrics().exposition()[0].decode()
    names = {line.split()[2] for line in metrics.splitlines() if line.startswith("# TYPE")}
    listed = {word.strip("`|").partition("{")[0] for word in PAGE.split() if "`loopwright_" in word}
    assert listed == {name for name in names if not name.endswith("_created")}
