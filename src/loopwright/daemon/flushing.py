"""Waiting until what the logs have handed over lies in the lakes."""

from __future__ import annotations

import asyncio
from pathlib import Path

_LOOK_EVERY = 0.05
_FINISHED = "*/*/*.log"
"""Segments under the spool that the recorder may take: lake, gateway, number."""


async def until_recorded(spool: Path, *, seconds: float) -> bool:
    """Whether every segment that is finished now was taken within this time."""
    left = set(spool.glob(_FINISHED))
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while left := {path for path in left if path.exists()}:
        if loop.time() >= until:
            return False
        await asyncio.sleep(_LOOK_EVERY)
    return True
