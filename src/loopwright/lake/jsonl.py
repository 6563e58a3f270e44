"""The lines of a file, plain or gzip, one at a time and none of them too long for memory.

Knows nothing of JSON or of calls; `importing` says what a line means.
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from loopwright.errors import LakeError

LONGEST_LINE = 64 << 20
_BUFFER = 1 << 20
_GZIP = b"\x1f\x8b"
_BOM = b"\xef\xbb\xbf"


class CutShortError(Exception):
    """The gzip data ends or breaks within the line of this index."""

    def __init__(self, index: int) -> None:
        super().__init__(index)
        self.index = index


def numbered_lines(path: Path, *, passed: Callable[[int], None]) -> Iterator[tuple[int, bytes]]:
    """Index (from 0) and bytes of each line that is not blank; `passed` is told of bytes read.

    Of a line over LONGEST_LINE only the beginning is given, one byte more than that. Raises
    CutShortError where the gzip data is cut or damaged, LakeError when the file cannot be read.
    """
    index = -1
    try:
        with path.open("rb", buffering=0) as file:
            for index, line in enumerate(_bounded(_content(file, passed))):
                if not line.isspace():
                    yield index, line.removeprefix(_BOM) if index == 0 else line
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise CutShortError(index + 1) from error
    except OSError as error:
        raise LakeError(f"cannot read {path}: {error.strerror or error}") from error


def _content(file: io.FileIO, passed: Callable[[int], None]) -> IO[bytes]:
    counted = io.BufferedReader(_Counted(file, passed), _BUFFER)
    if counted.peek(len(_GZIP)).startswith(_GZIP):
        return io.BufferedReader(gzip.GzipFile(fileobj=counted), _BUFFER)
    return counted


def _bounded(content: IO[bytes]) -> Iterator[bytes]:
    while line := content.readline(LONGEST_LINE + 1):
        yield line
        while len(line) > LONGEST_LINE and not line.endswith(b"\n"):
            line = content.readline(LONGEST_LINE + 1)


class _Counted(io.RawIOBase):
    """A raw file that tells how many bytes passed: asking for the position costs a call a line."""

    def __init__(self, file: io.FileIO, passed: Callable[[int], None]) -> None:
        self._file = file
        self._passed = passed

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = self._file.readinto(buffer) or 0
        self._passed(count)
        return count
