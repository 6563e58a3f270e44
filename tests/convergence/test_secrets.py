"""Canary secrets planted in every input appear nowhere: not in a file, an output or an error."""

from __future__ import annotations

import base64
import logging
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
import yaml

from loopwright.cli import run
from loopwright.errors import (
    AmbiguousError,
    ExitCode,
    PermanentError,
    ProviderError,
    TransientError,
)
from loopwright.providers.base import Operation, OperationStatus
from loopwright.providers.memory.adapter import MemoryAdapter
from support.projects import TestProject, flywheel, manifest, manifest_of

CANARIES = {
    "LAKE_MASTER_KEY": "kanarie/master+key=7f3a91",
    "UPSTREAM_KEY": "kanarie upstream ünïcode 55d0",
    "PLAIN_NAME": "kanarie-nobody-would-guess-1c2e",
    "FILE": "kanarie&file?secret#9b44",
}
_RULES = {"account": "a", "requestRate": {"perSecond": 1000, "burst": 1000}}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project that refers to a secret in every place that takes one."""
    folder = tmp_path / "project"
    folder.mkdir()
    TestProject(folder)  # its commands share a world
    for name, value in CANARIES.items():
        if name != "FILE":
            monkeypatch.setenv(name, value)
    (tmp_path / "secret.key").write_text(CANARIES["FILE"])
    (folder / "all.yaml").write_text(yaml.safe_dump_all(_manifests()))
    hook = {"name": "team", "webhook": {"env": "PLAIN_NAME"}}
    (folder / "loopwright.yaml").write_text(yaml.safe_dump({"notifications": [hook]}))
    monkeypatch.chdir(folder)
    return folder


def _manifests() -> list[dict[str, Any]]:
    kept = [found for found in flywheel() if found.kind not in ("Provider", "Lake")]
    credentials = {"plain": {"env": "PLAIN_NAME"}, "file": {"file": "../secret.key"}}
    upstream = {
        "url": "https://models.test/v1",
        "model": "big",
        "apiKey": {"env": "UPSTREAM_KEY"},
    }
    return [
        manifest("Provider", "mem", type="memory", credentials=credentials, **_RULES),
        manifest(
            "Lake", "main", provider="mem", storage="lake", masterKey={"env": "LAKE_MASTER_KEY"}
        ),
        manifest("Endpoint", "else", provider="mem", model={"upstream": upstream}),
        *(manifest_of(found) for found in kept),
    ]


def _forms(value: str) -> set[str]:
    raw = value.encode()
    encoded = {base64.b64encode(raw), base64.urlsafe_b64encode(raw)}
    return {
        value,
        quote(value),
        quote(value, safe=""),
        quote_plus(value),
        *(found.decode() for found in encoded),
    }


def _leaks(text: str) -> list[str]:
    return [name for name, value in CANARIES.items() if any(at in text for at in _forms(value))]


def _told(folder: Path, capfd: pytest.CaptureFixture[str], caplog: Any, *command: str) -> str:
    """Everything that a command says, logs and leaves on disk."""
    assert run(list(command)) != ExitCode.USAGE
    said = capfd.readouterr()
    files = [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    return "\n".join([said.out, said.err, caplog.text, *(one.decode("latin-1") for one in files)])


_COMMANDS = [
    ("validate", "all.yaml"),
    ("plan", "-v", "all.yaml"),
    ("plan", "--out", "saved.json", "all.yaml"),
    ("apply", "--yes", "--wait", "--events", "events.jsonl", "all.yaml"),
    ("get",),
    ("describe", "Endpoint/else"),
    ("history",),
    ("why", "Lake/main"),
    ("doctor", "all.yaml"),
    ("diff", "Endpoint/else", "all.yaml"),
    ("graph", "all.yaml"),
]


def test_no_command_tells_or_keeps_a_secret(
    folder: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for command in _COMMANDS:
        told = _told(folder, capfd, caplog, *command)
        assert not _leaks(told), command


_EVERY_FORM = " | ".join(form for value in CANARIES.values() for form in sorted(_forms(value)))


@pytest.mark.parametrize("error", [PermanentError, TransientError, AmbiguousError, ValueError])
@pytest.mark.parametrize("verb", ["create", "observe_all"])
def test_an_answer_that_repeats_the_secrets_is_masked_everywhere(
    error: type[ProviderError],
    verb: str,
    folder: Path,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuses(*given: Any) -> Any:
        raise error(f"401 for {_EVERY_FORM}")

    monkeypatch.setattr(MemoryAdapter, verb, refuses)
    monkeypatch.setattr("loopwright.engine.retry.Backoff.pause", lambda *given: 0.0)
    command = ("apply", "--yes", "--wait", "--events", "events.jsonl", "all.yaml")
    told = _told(folder, capfd, caplog, *command)
    if error is not ValueError:
        assert "401 for ****" in told
    assert not _leaks(told)
    assert not _leaks(_told(folder, capfd, caplog, "describe", "Lake/main"))
    assert not _leaks(_told(folder, capfd, caplog, "history"))


def test_what_a_running_job_says_is_masked_before_it_is_written_down(
    folder: Path,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    create = MemoryAdapter.create

    def chatty(adapter: MemoryAdapter, target: Any, key: str) -> Operation:
        made = create(adapter, target, key)
        return made.with_status(OperationStatus.RUNNING, message=f"with {_EVERY_FORM}")

    monkeypatch.setattr(MemoryAdapter, "create", chatty)
    told = _told(folder, capfd, caplog, "apply", "--yes", "--events", "e.jsonl", "all.yaml")
    assert "with ****" in told
    assert not _leaks(told)
