"""Whatever is typed: an exit code of ours, a message, and never a traceback."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright.cli import COMMANDS, run
from loopwright.errors import ExitCode
from support.command_lines import LAKE, dataset, export, provider, write

NOT_HERE = {"watch", "serve", "conformance", "completion"}
"""They go on until stopped, take long, or start a shell."""
WORDS = st.sampled_from(
    [
        *("all.yaml", "-", ".", "no/such", "all.yaml/x", "\x00", "", "名", "Dataset/set", "Lake/"),
        *("Dataset/set@1", "Export/copy", "/", "--", "-h", "--json", "--yes", "--out", "o.plan"),
        *("o.plan", "--var", "A=1", "--env", "prod", "../up", "-t", "--replace", "--until"),
        *("2027-01-01", "--id", "--all", "--reason", "x", "list", "show", "mv", "rm", "status"),
        *(
            "--delete-data",
            "--wait",
            "-vv",
            "--markdown",
            "--events",
            "e.jsonl",
            "--resume",
            "--absent",
        ),
        *(
            "--print",
            "dataset",
            "Dataset.spec",
            "--to",
            "1",
            "--for",
            "1h",
            "--project",
            "--absent",
        ),
    ]
)


@contextmanager
def at(folder: Path) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made: Path = tmp_path_factory.mktemp("typed")
    write(made, provider(), LAKE, dataset("{ratio: 0.2}"), export())
    return made


@settings(max_examples=150)
@given(
    command=st.sampled_from(sorted(COMMANDS.keys() - NOT_HERE)),
    words=st.lists(WORDS, max_size=5),
)
def test_any_command_line_ends_in_order(folder: Path, command: str, words: list[str]) -> None:
    out, err = io.StringIO(), io.StringIO()
    stdin = io.TextIOWrapper(io.BytesIO(b"kind: Lake\n"))
    with at(folder), redirect_stdout(out), redirect_stderr(err), patch.object(sys, "stdin", stdin):
        code = run([command, *words])
    assert code in set(ExitCode)
    said = err.getvalue()
    assert "Traceback" not in said
    assert "internal error" not in said, said
    if code in (ExitCode.ERROR, ExitCode.USAGE):
        assert out.getvalue() + said
