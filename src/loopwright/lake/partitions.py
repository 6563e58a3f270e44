"""Names of partitions as folders: Hive style, any endpoint name made safe for a path."""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import quote

CALLS = "calls"
_LONGEST = 200  # bytes of a folder name, well under the 255 that file systems allow


def partition_path(dt: str, endpoint: str) -> str:
    """`dt=2026-01-31/endpoint=chat`, relative and posix."""
    return f"dt={dt}/endpoint={quote(endpoint, safe='')}"


@lru_cache(maxsize=1024)
def endpoint_fits(endpoint: str) -> bool:
    """Whether the name is not empty and, once encoded, short enough for a folder."""
    return 0 < len(quote(endpoint, safe="")) <= _LONGEST
