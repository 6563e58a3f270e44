"""Where the daemon writes what happens: a line an event, secrets masked, old lines thrown away."""

from __future__ import annotations

import logging
import sys
from logging.handlers import RotatingFileHandler
from pathlib import Path

from loopwright.daemon.secrets import Secrets

_MOST_BYTES = 8 << 20
_KEPT = 3


class KeyValues(logging.Formatter):
    """A constant message, then what was passed as `extra`."""

    _usual = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime"}

    def __init__(self, known: Secrets) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")
        self._known = known

    def format(self, record: logging.LogRecord) -> str:
        extra = [f"{k}={v!r}" for k, v in vars(record).items() if k not in self._usual]
        return self._known.masked(" ".join([super().format(record), *extra]))


def begin_logging(path: Path | None, known: Secrets) -> None:
    """Log to a file that is cut when it grows, or to stderr without one."""
    handler = (
        RotatingFileHandler(path, maxBytes=_MOST_BYTES, backupCount=_KEPT, encoding="utf-8")
        if path
        else logging.StreamHandler(sys.stderr)
    )
    handler.setFormatter(KeyValues(known))
    root = logging.getLogger("loopwright")
    root.addHandler(handler)
    root.setLevel(logging.INFO)
