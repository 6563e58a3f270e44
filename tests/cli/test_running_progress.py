"""What is under way is told with how far it is, whoever asks."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from loopwright.cli.records import progress_words
from loopwright.providers.base import Progress
from support.command_lines import LAKE, Shell, dataset, job, provider, shell, write


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
