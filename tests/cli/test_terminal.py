"""Real processes: a question at a terminal, signals, a reader that goes away, a full disk."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import Self

import pytest

from support.command_lines import LAKE, dataset, export, provider, write

COMMAND = [sys.executable, "-m", "loopwright"]
SLOW = provider("jobSeconds: {Dataset: 3600}")
_CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, provider(), LAKE, dataset("{ratio: 0.2}"), export())
    return tmp_path


class Terminal:
    """A process at a terminal of its own, `columns` wide."""

    def __init__(self, folder: Path, *arguments: str, **environment: str) -> None:
        ours, theirs = pty.openpty()
        shown = {"TERM": "xterm-256color", "COLUMNS": "80", **environment}
        self.process = subprocess.Popen(
            [*COMMAND, *arguments],
            cwd=folder,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**os.environ, **shown},
            start_new_session=True,
        )
        os.close(theirs)
        self._screen, self.text = ours, ""

    def read_until(self, words: str | None) -> str:
        """What has been shown up to these words, or up to the end."""
        while words is None or words not in self.text:
            readable, _, _ = select.select([self._screen], [], [], 60)
            assert readable, f"{words!r} did not come after {self.text!r}"
            try:
                data = os.read(self._screen, 65_536)
            except OSError:  # Linux says so when the last writer has gone
                data = b""
            if not data:
                assert words is None, f"ended without {words!r}: {self.text!r}"
                break
            self.text += data.decode(errors="replace")
        return self.text

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._screen)

    def type(self, text: str) -> None:
        os.write(self._screen, text.encode())

    def end(self) -> tuple[int, str]:
        """Exit code, and all that was shown without control codes."""
        self.read_until(None)
        return self.process.wait(60), _CODES.sub("", self.text)


def test_the_question_stays_readable_and_bars_come_after_it(folder: Path) -> None:
    with Terminal(folder, "apply", "--wait") as terminal:
        assert terminal.read_until("[y/N]: ").endswith("Apply this? [y/N]: ")
        terminal.type("y\n")
        code, shown = terminal.end()
    assert code == 0
    assert "  Lake/main  created" in shown
    assert "Done: 2 created, 2 run." in shown


def test_no_colour_where_it_is_not_wanted(folder: Path) -> None:
    with Terminal(folder, "plan", NO_COLOR="1") as terminal:
        assert "\x1b[" not in terminal.read_until(None)
    with Terminal(folder, "plan", NO_COLOR="") as terminal:
        assert "\x1b[" in terminal.read_until(None)


def test_no_is_an_answer_and_deletions_are_confirmed_by_their_number(folder: Path) -> None:
    with Terminal(folder, "apply") as terminal:
        terminal.read_until("[y/N]: ")
        terminal.type("n\n")
        code, shown = terminal.end()
    assert code == 0
    assert "Nothing was done." in shown

    subprocess.run([*COMMAND, "apply", "--yes", "--wait"], cwd=folder, check=True)
    for typed, told in (("y", "Nothing was done."), ("1", "Done: 1 deleted.")):
        with Terminal(folder, "destroy", "--delete-data", "-t", "Export/copy") as terminal:
            terminal.read_until("Type the number to destroy: ")
            terminal.type(f"{typed}\n")
            assert told in terminal.end()[1]


def test_ctrl_c_stops_cleanly_and_the_next_apply_finds_the_running_work(folder: Path) -> None:
    write(folder, SLOW, LAKE, dataset("{ratio: 0.2}"), export())
    with Terminal(folder, "apply", "--yes", "--wait") as terminal:
        terminal.read_until("of 3,600 s")
        terminal.process.send_signal(signal.SIGINT)
        code, shown = terminal.end()
    assert code == 1
    assert "Stopping: nothing new is started." in shown
    assert "Interrupted. Nothing is lost" in shown
    assert "Next: loopwright apply --wait" in shown
    done = subprocess.run(
        [*COMMAND, "apply", "--yes"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 4
    assert "Running: Dataset/set" in done.stdout


def test_sigterm_stops_as_cleanly(folder: Path) -> None:
    write(folder, SLOW, LAKE, dataset("{ratio: 0.2}"))
    with subprocess.Popen(
        [*COMMAND, "apply", "--yes", "--wait"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "Dataset/set v1  running" in line:
                break
        process.send_signal(signal.SIGTERM)
        said, errors = process.communicate()
    assert process.returncode == 1
    assert "Interrupted. Nothing is lost" in errors
    assert "Running: Dataset/set" in said


def test_a_reader_that_goes_away_is_no_error(folder: Path) -> None:
    piped = f"'{sys.executable}' -m loopwright schema --print manifest; echo \"$?\" >&2"
    done = subprocess.run(
        ["bash", "-c", f"{{ {piped}; }} | head -n 1"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "{\n"
    assert done.stderr == "0\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_output_that_cannot_be_written_is_an_error(folder: Path) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*COMMAND, "plan"], cwd=folder, stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert done.returncode == 1
    assert done.stderr == b"error: cannot read or write: No space left on device\n"
