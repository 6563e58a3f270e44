"""One JSON line a call: when, which endpoint, how it ended, how long it took.

No bodies, no keys, no ids of users, no addresses of clients. Lines are written together, a moment
later: what must survive a crash is in the capture log.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any

import orjson

_FORM = orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z
_SOON = 0.25
_MANY = 512

_log = logging.getLogger(__name__)


class AccessLog:
    """Gathers lines and hands them to `write` (bytes of whole lines)."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write
        self._lines: list[bytes] = []
        self._timer: asyncio.TimerHandle | None = None

    def add(self, facts: Mapping[str, Any]) -> None:
        """Take a line. Never fails a call."""
        self._lines.append(orjson.dumps(facts, option=_FORM))
        if len(self._lines) >= _MANY:
            self.flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_SOON, self.flush)

    def flush(self) -> None:
        """Write what is gathered; a disk that refuses costs the lines, not the calls."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        lines, self._lines = self._lines, []
        if lines:
            try:
                self._write(b"".join(lines))
            except (OSError, ValueError) as error:
                _log.warning(
                    "access log lost lines", extra={"lines": len(lines), "why": str(error)}
                )
