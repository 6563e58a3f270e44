"""Processes that compute models, from both sides: the packages that they need, looked for without
importing them, an environment in which threads do not spin, and a watch over who started them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

PARENT = "LOOPWRIGHT_PARENT_PID"
"""Environment variable with the process that the child lives and dies with."""
TO_TRAIN = ("torch", "transformers", "peft", "trl")
TO_SERVE = ("torch", "transformers", "peft", "safetensors")
INSTALL = "pip install 'loopwright[train]'"


def missing(needed: tuple[str, ...]) -> tuple[str, ...]:
    """Packages of the extra that this environment lacks."""
    return tuple(name for name in needed if find_spec(name) is None)


def lacks(what: str, needed: tuple[str, ...]) -> str:
    """E.g. `training needs torch and trl; missing here: trl`. Empty: nothing is missing."""
    if not (absent := missing(needed)):
        return ""
    named = f"{', '.join(needed[:-1])} and {needed[-1]}"
    return f"{what} needs {named}; missing here: {', '.join(absent)}"


def environment(environ: Mapping[str, str], *, threads: int) -> dict[str, str]:
    """Of a child that this process starts: quiet, offline, and no more threads than asked.

    Threads wait without spinning: on a busy machine spinning costs twenty times the work.
    """
    return {
        **environ,
        PARENT: str(os.getpid()),
        "OMP_NUM_THREADS": str(threads),
        "OMP_WAIT_POLICY": "PASSIVE",
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_OFFLINE": "1",  # everything it needs is in its folders
        "PYTHONUNBUFFERED": "1",
    }


class Parent:
    """Who started this process, and who asked for it, which may be further up."""

    def __init__(self, asked_by: int) -> None:
        """`asked_by` 0: nobody but the process above."""
        self._above, self._asked_by = os.getppid(), asked_by

    @property
    def lives(self) -> bool:
        """Whether both are still there."""
        return os.getppid() == self._above and _lives(self._asked_by)


def _lives(process: int) -> bool:
    if not process:
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    with suppress(OSError, IndexError):
        # A killed parent that nobody has waited for is still listed, and dead.
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return True
