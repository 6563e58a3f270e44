"""Command lines run in this process, in a folder of their own, the way a shell would run them.

`say` answers with exit code, stdout and stderr, and fails the test when a traceback shows.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from loopwright.cli import run

HEAD = "apiVersion: loopwright.dev/v1alpha1\n"


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


Shell = Callable[..., Ended]


def manifest(kind: str, name: str, spec: str) -> str:
    """One document; `spec` is a YAML flow mapping."""
    return f"{HEAD}kind: {kind}\nmetadata: {{name: {name}}}\nspec: {spec}\n---\n"


def provider(connection: str = "", more: str = "") -> str:
    """A fake cloud in `.loopwright/world.jsonl`, named `cloud`."""
    inside = ", ".join(part for part in ("world: .loopwright/world.jsonl", connection) if part)
    return manifest("Provider", "cloud", f"{{type: memory, connection: {{{inside}}}{more}}}")


LAKE = manifest("Lake", "main", "{provider: cloud, storage: lake}")


def dataset(sampling: str, *, name: str = "set") -> str:
    return manifest(
        "Dataset", name, f"{{provider: cloud, source: {{lake: main}}, sampling: {sampling}}}"
    )


def export(name: str = "copy") -> str:
    return manifest(
        "Export", name, "{provider: cloud, source: {dataset: Dataset/set}, to: {path: out}}"
    )


def job(more: str = "") -> str:
    return manifest(
        "FineTuneJob", "tune", f"{{provider: cloud, base: tiny, dataset: Dataset/set{more}}}"
    )


def write(folder: Path, *documents: str) -> None:
    """Make these the manifests of a folder."""
    (folder / "all.yaml").write_text("".join(documents), encoding="utf-8")


def shell(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Shell:
    """Runs `loopwright ARGUMENTS` in a folder, nobody at the keyboard, `stdin` on stdin."""
    monkeypatch.chdir(folder)

    def say(*arguments: str, stdin: str = "") -> Ended:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        code = run(list(arguments))
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        assert "internal error" not in said.err
        return Ended(code, said.out, said.err)

    return say
