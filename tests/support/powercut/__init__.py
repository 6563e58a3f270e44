"""Power cuts for tests: run a command, then see what its files would be had the power gone.

`record` preloads a small C library that logs every change below a directory; `Trace.after_cut`
replays the log and keeps only what was synced. Linux with a C compiler; elsewhere use
`requires_shim` to skip.
"""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from support.powercut.trace import Event, Op, Start, Trace, read_events

__all__ = ["Event", "Op", "Trace", "record", "requires_shim"]

requires_shim = pytest.mark.skipif(
    sys.platform != "linux" or not shutil.which("cc"),
    reason="a power cut is simulated by a preloaded library: needs Linux and cc",
)


def record(
    command: Sequence[str], directory: Path, *, env: Mapping[str, str] | None = None
) -> Trace:
    """Run `command` to its end and return what it did below `directory`, which must exist.

    Raises CalledProcessError, with its standard error, when the command fails.
    """
    root = directory.resolve()
    start = Start.of(root)
    with tempfile.TemporaryDirectory(prefix="powercut-") as folder:
        log = Path(folder, "log")
        hooks = {"LD_PRELOAD": _shim(), "POWERCUT_DIR": str(root), "POWERCUT_LOG": str(log)}
        environment = {**os.environ, **(env or {}), **hooks}
        subprocess.run(command, env=environment, check=True, capture_output=True)
        return Trace(start, tuple(read_events(log)))


@functools.cache
def _shim() -> str:
    source = Path(__file__).with_name("shim.c")
    folder = Path(tempfile.mkdtemp(prefix="powercut-"))
    atexit.register(shutil.rmtree, folder)
    library = folder / "shim.so"
    flags = ["-shared", "-fPIC", "-O1", "-Wall", "-Werror"]
    subprocess.run(["cc", *flags, "-o", library, source, "-ldl", "-lpthread"], check=True)
    return str(library)
