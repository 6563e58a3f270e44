"""Files of lines that an erasure goes through: read one by one, told apart by one field."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import orjson

from loopwright.errors import LakeError


def lines(path: Path) -> Iterator[bytes]:
    """The lines of a file as they are. Raises LakeError when it cannot be read."""
    try:
        with path.open("rb") as handle:
            yield from handle
    except OSError as error:
        raise LakeError(f"cannot read {path}: {error.strerror}") from error


def identifier(line: bytes, field: str) -> str | None:
    """The text at a field of a line; None where it has none, or is not JSON."""
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    value = found.get(field) if isinstance(found, dict) else None
    return value if isinstance(value, str) else None
