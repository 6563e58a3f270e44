"""Names of partitions as folders: Hive style, any endpoint name made safe for a path."""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import quote

CALLS = "calls"
FEEDBACK = "feedback"
FOLDERS = (CALLS, FEEDBACK)
"""The tables of a lake, each in a folder of its name."""

_LONGEST = 200  # bytes of a folder name, well under the 255 that file systems allow


def partition_path(dt: str, endpoint: str) -> str:
    """`dt=2026-01-31/endpoint=chat`, relative to its table and posix."""
    return f"dt={dt}/endpoint={quote(endpoint, safe='')}"


def partition_name(table: str, dt: str, endpoint: str) -> str:
    """What a partition's keys are found under: its path, after its table unless that is calls."""
    path = partition_path(dt, endpoint)
    return path if table == CALLS else f"{table}/{path}"


@lru_cache(maxsize=1024)
def endpoint_fits(endpoint: str) -> bool:
    """Whether the name is not empty and, once encoded, short enough for a folder."""
    return 0 < len(quote(endpoint, safe="")) <= _LONGEST
