"""The records of a file: its lines, the entries of its one JSON document, or Parquet rows.

One at a time and none of them too long for memory. Knows nothing of calls; `importing` says what
a record means.
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import IO, Any

import orjson

from loopwright.errors import LakeError

LONGEST_LINE = 64 << 20
LARGEST_DOCUMENT = 256 << 20
_BUFFER = 1 << 20
_PARQUET = b"PAR1"
_GZIP = b"\x1f\x8b"
_BOM = b"\xef\xbb\xbf"
_BROKEN = (EOFError, gzip.BadGzipFile, zlib.error)
_PAGE_KEYS = frozenset({"data", "object", "meta", "first_id", "last_id", "has_more"})
_NO_RECORD = b"{"  # what cannot be written as a line again is no valid line


class CutShortError(Exception):
    """The gzip data ends or breaks within the line of this index."""

    def __init__(self, index: int) -> None:
        super().__init__(index)
        self.index = index


def head(path: Path, *, lines: int, most_bytes: int) -> list[bytes]:
    """The first `lines` records, fewer when they are large. Raises LakeError."""
    taken: list[bytes] = []
    size = 0
    with closing(numbered_lines(path, passed=lambda _: None)) as records:
        try:
            while len(taken) < lines and size <= most_bytes:
                taken.append(next(records)[1])
                size += len(taken[-1])
        except (StopIteration, CutShortError):
            pass  # what is whole tells the format
    return taken


def numbered_lines(
    path: Path, *, passed: Callable[[int], None]
) -> Generator[tuple[int, bytes], None, None]:
    """Index (from 0) and bytes of each line that is not blank; `passed` is told of bytes read.

    Where the file is one JSON document, a list or a page with a list under `data`, its entries
    count as lines; so do the rows of a Parquet file. Of a line over LONGEST_LINE only the
    beginning is given, one byte more than that. Raises CutShortError where the gzip data is cut
    or damaged, LakeError when the file cannot be read.
    """
    index = -1
    try:
        with path.open("rb", buffering=0) as file:
            for index, line in enumerate(_records(file, path, passed)):
                if not line.isspace():
                    yield index, line
    except _BROKEN as error:
        raise CutShortError(index + 1) from error
    except OSError as error:
        raise LakeError(f"cannot read {path}: {error.strerror or error}") from error


def _records(file: io.FileIO, path: Path, passed: Callable[[int], None]) -> Iterator[bytes]:
    magic = file.read(len(_PARQUET))
    file.seek(0)
    if magic == _PARQUET:
        from loopwright.lake.parquet_rows import rows_as_lines

        return rows_as_lines(path, passed=passed)
    return _lines_or_entries(_bounded(_content(file, passed)), path)


def _lines_or_entries(lines: Iterator[bytes], path: Path) -> Iterator[bytes]:
    """The lines as they are, unless they are together one document."""
    first = next(lines, b"").removeprefix(_BOM)
    if not _begins_document(first):
        if first:
            yield first
        yield from lines
        return
    read = [first]
    try:
        whole = _gathered(lines, into=read)
    except _BROKEN:
        yield from read
        raise
    if not whole and first.lstrip().startswith(b"["):
        raise LakeError(
            f"cannot read {path}: it is one JSON document of more than "
            f"{LARGEST_DOCUMENT >> 20} MiB",
            hint="export it as JSON lines, one call a line",
        )
    entries = _document(b"".join(read)) if whole else None
    yield from read if entries is None else map(_as_line, entries)
    yield from lines


def _gathered(lines: Iterator[bytes], *, into: list[bytes]) -> bool:
    """Whether what is left is no more than a document may have."""
    room = LARGEST_DOCUMENT - len(into[0])
    for line in lines:
        into.append(line)
        room -= len(line)
        if room < 0:
            return False
    return True


def _begins_document(line: bytes) -> bool:
    """Whether a first line is a document or the beginning of one, and no record by itself."""
    if not line.lstrip().startswith((b"[", b"{")):
        return line.isspace()
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError:
        return True
    return isinstance(found, list) or _page(found) is not None


def _document(content: bytes) -> list[Any] | None:
    try:
        found = orjson.loads(content)
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, list) else _page(found)


def _page(found: Any) -> list[Any] | None:
    """The entries of an answer such as an API gives, `{"data": [...], ...}`."""
    if not isinstance(found, dict) or not found.keys() <= _PAGE_KEYS:
        return None
    data = found.get("data")
    return data if isinstance(data, list) else None


def _as_line(entry: Any) -> bytes:
    try:
        return orjson.dumps(entry)
    except TypeError:  # nested too deeply
        return _NO_RECORD


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
