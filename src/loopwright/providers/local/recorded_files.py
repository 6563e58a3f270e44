"""Files of recorded calls looked at before they are imported: how many lines, in which shape."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import orjson

from loopwright.providers.base import Estimate, Range

_COUNTED_BYTES = 16 << 20
"""A file up to this size on disk is counted; of a larger one this much is read."""
_CHUNK = 1 << 20
_GZIP = b"\x1f\x8b"
_SHAPES = {
    "messages": "lines of messages, the answer last",
    "request": "lines of request and response",
}


@dataclass(frozen=True, slots=True)
class _Look:
    lines: Range
    shape: str


def estimate_lines(paths: Sequence[Path]) -> Estimate:
    """What importing these files would read. Raises OSError when one cannot be read."""
    looks = [_look(path) for path in paths]
    notes = tuple(
        f"{path.name}: {look.shape}" for path, look in zip(paths, looks, strict=True) if look.shape
    )
    total = Range.exact(0)
    for look in looks:
        total += look.lines
    return Estimate(rows=total, notes=(*notes, "calls that the lake has already add nothing"))


def _look(path: Path) -> _Look:
    size = path.stat().st_size
    with path.open("rb") as raw:
        content: BinaryIO = gzip.GzipFile(fileobj=raw) if _is_gzip(raw) else raw  # type: ignore[assignment]
        first, lines = b"", 0
        try:
            first = content.readline(_CHUNK)
            lines = 1 if first.strip() else 0
            while raw.tell() <= _COUNTED_BYTES and (chunk := content.read(_CHUNK)):
                lines += chunk.count(b"\n")
                last = chunk[-1:]
                lines += last not in (b"\n", b"") and len(chunk) < _CHUNK
        except (EOFError, gzip.BadGzipFile, zlib.error):
            pass  # the import names the place; what could be read is counted
        read = min(raw.tell(), size)
    if read >= size:
        return _Look(Range.exact(lines), _shape(first))
    likely = lines * size / read
    return _Look(Range(round(likely), round(likely * 0.7), round(likely * 1.4)), _shape(first))


def _is_gzip(raw: BinaryIO) -> bool:
    start = raw.read(len(_GZIP))
    raw.seek(0)
    return start == _GZIP


def _shape(line: bytes) -> str:
    """In words; empty for what is no recorded call."""
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError:
        return ""
    named = found if isinstance(found, dict) else {}
    return next((words for key, words in _SHAPES.items() if key in named), "")
