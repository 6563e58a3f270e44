"""A small project of the `local` provider that was applied, for the data commands."""

from __future__ import annotations

from pathlib import Path

import pytest

from loopwright.cli import run
from support.local_worlds import RECORDED_CALLS, Loopwright, Said, do_jobs_inline, line, write_lines

MANIFESTS = (
    RECORDED_CALLS
    + """\
---
apiVersion: loopwright.dev/v1alpha1
kind: Dataset
metadata: {name: set}
spec:
  provider: local
  source: {lake: main}
  sampling: {count: COUNT}
  split: {validation: 0.25}
"""
)


def apply(folder: Path, *, count: int) -> None:
    """Bring the project to a dataset of `count` rows."""
    (folder / "all.yaml").write_text(MANIFESTS.replace("COUNT", str(count)))
    code = run(["apply", str(folder / "all.yaml"), "--project", str(folder), "--yes", "--wait"])
    assert code == 0


@pytest.fixture
def project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Path:
    """Calls of two endpoints, one with a Chinese name; two versions of the dataset `set`."""
    do_jobs_inline(monkeypatch)
    monkeypatch.setenv("COLUMNS", "80")
    calls = [line(n) | {"endpoint": "客服聊天" if n % 3 else "chat"} for n in range(30)]
    write_lines(tmp_path / "calls.jsonl", [*calls, calls[0]])
    apply(tmp_path, count=8)
    apply(tmp_path, count=12)
    capsys.readouterr()
    return tmp_path


@pytest.fixture
def loopwright(project: Path, capsys: pytest.CaptureFixture[str]) -> Loopwright:
    """Runs a command in the project; exit code, stdout, stderr."""

    def call(*arguments: str) -> Said:
        code = run([*arguments, "--project", str(project)])
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return code, said.out, said.err

    return call
