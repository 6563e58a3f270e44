"""Where the daemon writes what happens: a line an event, secrets masked, old lines thrown away."""

from __future__ import annotations

import logging
import sys
from logging.handlers import RotatingFileHandler
from pathlib import Path

from loopwright.daemon.secrets import Secrets

_MOST_BYTES = 8 << 20
_KEPT = 3
LAYOUT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class AccessFile:
    """Whole lines of JSON, a call each, in a file that is cut when it grows."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._handler: RotatingFileHandler | None = None

    def write(self, lines: bytes) -> None:
        """Lines that a disk refuses are lost, and stderr says so."""
        if self._handler is None:
            self._handler = _cut_when_long(self._path)
        record = logging.makeLogRecord({"msg": lines.decode().rstrip("\n")})
        self._handler.emit(record)

    def close(self) -> None:
        if self._handler is not None:
            self._handler.close()


class KeyValues(logging.Formatter):
    """A constant message, then what was passed as `extra`."""

    _usual = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime"}

    def __init__(self, known: Secrets, layout: str) -> None:
        super().__init__(layout)
        self._known = known

    def format(self, record: logging.LogRecord) -> str:
        extra = [f"{k}={v!r}" for k, v in vars(record).items() if k not in self._usual]
        return self._known.masked(" ".join([super().format(record), *extra]))


def begin_logging(path: Path | None, known: Secrets, *, layout: str = LAYOUT) -> None:
    """Log to a file that is cut when it grows, or to stderr without one."""
    handler = _cut_when_long(path) if path else logging.StreamHandler(sys.stderr)
    handler.setFormatter(KeyValues(known, layout))
    root = logging.getLogger("loopwright")
    root.addHandler(handler)
    root.setLevel(logging.INFO)


def _cut_when_long(path: Path) -> RotatingFileHandler:
    return RotatingFileHandler(path, maxBytes=_MOST_BYTES, backupCount=_KEPT, encoding="utf-8")
