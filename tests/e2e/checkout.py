"""Copies of what the repository ships, and real command lines in them.

A copy is a clone as a user has it: no state, no keys, no data of anybody.
"""

from __future__ import annotations

import io
import json
import os
import shlex
import shutil
import subprocess
import sys
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import yaml

from loopwright.cli import run

HOME = Path(__file__).resolve().parents[2]
_LEFT_OUT = shutil.ignore_patterns(".loopwright", "exports", "answers", "__pycache__")
MADE: list[Path] = []
"""Folders in which an apply may have started a daemon."""


@dataclass(frozen=True)
class Checkout:
    """A folder in which `loopwright` is run."""

    folder: Path

    def __post_init__(self) -> None:
        if self.folder not in MADE:
            MADE.append(self.folder)

    def run(self, command: str, *, expect: int = 0) -> str:
        """Stdout of `loopwright COMMAND`, run in this process, which must end with `expect`."""
        out, err = io.StringIO(), io.StringIO()
        stdin = io.TextIOWrapper(io.BytesIO())
        with (
            chdir(self.folder),
            redirect_stdout(out),
            redirect_stderr(err),
            patch.object(sys, "stdin", stdin),
        ):
            code = run(shlex.split(command))
        assert code == expect, f"{command}\n{out.getvalue()}{err.getvalue()}"
        return out.getvalue()

    def shell(self, line: str, *, expect: int = 0) -> str:
        """Stdout of a line of bash; `loopwright`, also in `.venv/bin`, is the one under test."""
        binaries = self.folder / ".venv/bin"
        if not binaries.exists():
            binaries.mkdir(parents=True)
            script = f'#!/bin/sh\nexec "{sys.executable}" -m loopwright "$@"\n'
            (binaries / "loopwright").write_text(script)
            (binaries / "loopwright").chmod(0o755)
        path = f"{binaries}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=self.folder,
            env=os.environ | {"PATH": path},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == expect, f"{line}\n{done.stdout}{done.stderr}"
        assert "Traceback" not in done.stderr
        return done.stdout

    def json(self, command: str) -> Any:
        return json.loads(self.run(f"{command} --json"))


def data_half(target: Path, *, upstream: str) -> Checkout:
    """The quickstart's data half, before a server that others run: nothing is tuned or judged."""
    checkout = copy_of("manifests", target / "manifests")
    manifest = checkout.folder / "flywheel.yaml"
    kept = []
    for document in yaml.safe_load_all(manifest.read_text(encoding="utf-8")):
        is_candidate = document["metadata"]["name"].endswith("-candidate")
        if document["kind"] in ("FineTuneJob", "EvalSuite", "EvalRun") or is_candidate:
            continue
        if document["kind"] == "Endpoint":
            server = {"url": upstream, "model": "qwen3:0.6b"}
            document["spec"] = {"provider": "local", "model": {"upstream": server}}
        kept.append(document)
    manifest.write_text(yaml.safe_dump_all(kept, allow_unicode=True), encoding="utf-8")
    return Checkout(target)


def copy_of(name: str, target: Path) -> Checkout:
    """A fresh copy of a folder of the repository, at `target`."""
    shutil.copytree(HOME / name, target, ignore=_LEFT_OUT)
    return Checkout(target)
