"""Limits that the operating system keeps: what a query's child may use, whatever runs in it.

DuckDB's own limits leave holes (one long string, memory of Arrow); these do not.
"""

from __future__ import annotations

import math
import os
import resource

from loopwright.lake.sql.request import Limits

_CPU_MARGIN = 5


def confine(limits: Limits) -> None:
    """Bind this process for the rest of its life: memory, CPU time, no files, no core dump.

    Files that are open already can be read; nothing can be written but pipes.
    """
    memory = _mapped() + limits.memory_bytes
    _lower(resource.RLIMIT_DATA, memory)
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_FSIZE, 0)
    if limits.seconds is not None:
        _lower(resource.RLIMIT_CPU, math.ceil(limits.seconds * limits.threads) + _CPU_MARGIN)


def _lower(which: int, wanted: int) -> None:
    _, most = resource.getrlimit(which)
    bound = wanted if most == resource.RLIM_INFINITY else min(wanted, most)
    resource.setrlimit(which, (bound, bound))


def _mapped() -> int:
    """Bytes of private, writable memory that libraries and threads have mapped by now."""
    try:
        with open("/proc/self/statm", encoding="ascii") as told:
            return int(told.read().split()[5]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
