"""What is under way is told with how far it is, whoever asks."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from loopwright.cli import run
from loopwright.cli.records import progress_words
from loopwright.daemon.declared import DaemonFolder
from loopwright.engine.workspace import Workspace
from loopwright.providers.base import Progress
from loopwright.resources.address import Address
from loopwright.state.records import Pending
from support.command_lines import LAKE, Shell, dataset, job, provider, shell, write
from support.daemons import MANIFESTS


@pytest.fixture
def loopwright(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Shell:
    monkeypatch.setenv("COLUMNS", "160")
    write(
        tmp_path, provider("jobSeconds: {FineTuneJob: 900}"), LAKE, dataset("{ratio: 0.2}"), job()
    )
    return shell(tmp_path, monkeypatch, capsys)


def test_a_running_job_is_shown_with_its_progress(loopwright: Shell) -> None:
    for _ in range(4):
        loopwright("apply", "--yes")
    (line,) = [row for row in loopwright("get").out.splitlines() if "FineTuneJob/tune" in row]
    assert re.search(r"run running: \d+ of 900 s, about 1\d min left", line)
    told = loopwright("describe", "FineTuneJob/tune").out
    assert re.search(r'progress: "\d+ of 900 s, about 1\d min left"', told)


@pytest.mark.parametrize(
    ("progress", "words"),
    [
        (None, ""),
        (Progress(note="loading the base model"), "loading the base model"),
        (
            Progress(120, 300, "steps", "loss 0.412, 8,900 tokens/s", 35.4),
            "120 of 300 steps, loss 0.412, 8,900 tokens/s, about 35 s left",
        ),
        (Progress(7, 0, "rows"), "7 rows"),
    ],
)
def test_progress_in_words(progress: Progress | None, words: str) -> None:
    assert progress_words(progress) == words


def test_whoever_looks_at_an_endpoint_under_way_leaves_the_daemon_and_its_project_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "loopwright.yaml").write_text(
        "gateway: {listen: '127.0.0.1:0'}\n"
        "principals: [{name: ada, role: admin, key: {file: keys/ada}}]\n"
    )
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys/ada").write_text("the-key-of-ada\n")
    endpoint = MANIFESTS.replace("  model: {upstream", "  running: false\n  model: {upstream")
    (tmp_path / "all.yaml").write_text(endpoint.replace("UPSTREAM_URL", "http://127.0.0.1:9/v1"))
    assert run(["apply", str(tmp_path), "--yes", "--project", str(tmp_path)]) == 0
    workspace = Workspace(tmp_path)
    address = Address("Endpoint", "support")
    with workspace.session(holder="test", command="test") as session:
        record = session.record(address)
        assert record is not None
        operation = {"key": "k", "status": "running", "external_id": "support"}
        pending = Pending("promote", "k", sent=True, operation=operation, spec=record.spec)
        session.commit([], {address: replace(record, pending=pending)})
    folder = DaemonFolder(workspace.state_dir)
    shelved = folder.endpoints.get("support")
    assert shelved is not None
    folder.endpoints.put(replace(shelved, spec={**shelved.spec, "running": True}))
    before = (folder.path / "project.json").read_bytes()
    assert b"ada" in before
    started: list[str] = []
    monkeypatch.setattr(
        "loopwright.providers.local.serving.start", lambda *_, **__: started.append("")
    )
    for command in (["get"], ["describe", str(address)]):
        assert run([*command, "--project", str(tmp_path)]) == 0
        assert "promote" in capsys.readouterr().out
    assert (folder.path / "project.json").read_bytes() == before
    assert not started
