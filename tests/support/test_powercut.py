"""The simulated power cut keeps what POSIX promises, and only that."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from support.powercut import Trace, record, requires_shim

pytestmark = requires_shim

STEPS = """
import os
def done(step): os.write(1, f"{step}\\n".encode())
def sync(path):
    fd = os.open(path, os.O_RDONLY); os.fsync(fd); os.close(fd)

open("old", "r+b").write(b"OLD"); done("old is overwritten")
sync("old"); done("old is synced")
a = open("a", "wb", buffering=0); a.write(b"12345"); os.fsync(a.fileno()); done("a is synced")
sync("."); done("the folder is synced")
a.write(b"678"); done("a is longer")
os.fsync(a.fileno()); a.truncate(2); done("a is cut short")
os.fsync(a.fileno()); os.mkdir("deep"); open("deep/b", "w").write("b"); sync("deep/b"); sync("deep")
done("deep is not synced")
sync("."); done("deep is synced")
os.replace("a", "c"); done("a is called c")
sync("."); os.unlink("old"); done("old is gone")
os.link("c", "d"); sync("."); done("all is synced")
os.rename("deep", "deeper"); sync("."); done("the end")
"""

EXPECTED = {
    "old is overwritten": {"old": b"before"},
    "old is synced": {"old": b"OLDore"},
    "a is synced": {"old": b"OLDore"},
    "the folder is synced": {"old": b"OLDore", "a": b"12345"},
    "a is longer": {"old": b"OLDore", "a": b"12345"},
    "a is cut short": {"old": b"OLDore", "a": b"12345678"},
    "deep is not synced": {"old": b"OLDore", "a": b"12"},
    "deep is synced": {"old": b"OLDore", "a": b"12", "deep/b": b"b"},
    "a is called c": {"old": b"OLDore", "a": b"12", "deep/b": b"b"},
    "old is gone": {"old": b"OLDore", "c": b"12", "deep/b": b"b"},
    "all is synced": {"c": b"12", "d": b"12", "deep/b": b"b"},
    "the end": {"c": b"12", "d": b"12", "deeper/b": b"b"},
}


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("disk")
    (folder / "old").write_bytes(b"before")
    return folder


@pytest.fixture(scope="module")
def trace(disk: Path) -> Trace:
    script = f"import os; os.chdir({str(disk)!r})\n{STEPS}"
    return record([sys.executable, "-c", script], disk)


def contents(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_only_what_was_synced_is_left_at_each_step(trace: Trace, tmp_path: Path) -> None:
    left = {step: contents(trace.after_cut(at, into=tmp_path / str(at))) for at, step in trace.said}

    assert left == EXPECTED


def test_when_every_write_survives_the_copy_equals_the_disk(
    trace: Trace, disk: Path, tmp_path: Path
) -> None:
    whole = trace.after_cut(len(trace.events), into=tmp_path / "w", survives=lambda _: True)

    assert contents(whole) == contents(disk)
