"""What the first lines of a file say: its format, and how many of them are calls.

A file is known by what its lines hold, never by its name. Plans look too, so nothing here needs
the lake itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import orjson

from loopwright.errors import LakeError
from loopwright.lake.jsonl import LONGEST_LINE, head
from loopwright.lake.shapes import chat
from loopwright.lake.shapes.base import BadLineError
from loopwright.lake.shapes.mapped import FieldPaths
from loopwright.lake.shapes.registry import AUTO, SHAPES, Format, shape_of, too_deep

LINES = 100
BYTES = 4 << 20
"""How much of a file decides what its format is."""
_NEAREST = 2


class UnknownFormatError(LakeError):
    """None of the first lines of a file is of a known shape."""


@dataclass(frozen=True, slots=True)
class Look:
    """The format, of how many lines it was told, and how many of them are calls.

    `left_out` counts the others by reason.
    """

    format: Format
    lines: int
    calls: int
    left_out: Counter[str]


def look(path: Path, *, format: str = AUTO, mapping: FieldPaths | None = None) -> Look:
    """Look at the beginning of a file. Raises LakeError when it cannot be read or understood."""
    lines = head(path, lines=LINES, most_bytes=BYTES)
    found = format_of(lines, file=path.name, name=format, mapping=mapping)
    reasons = Counter(_reason(line, found, path.parent) for line in lines)
    calls = reasons.pop(None, 0)
    return Look(found, len(lines), calls, Counter({str(why): n for why, n in reasons.items()}))


def sum_of(looks: Sequence[Look]) -> Look:
    """What several files of one format say together."""
    return Look(
        format=looks[0].format,
        lines=sum(look.lines for look in looks),
        calls=sum(look.calls for look in looks),
        left_out=sum((look.left_out for look in looks), Counter()),
    )


def beside(folder: Path, name: str) -> bytes | None:
    """What a file under the folder holds; None when it is not there or longer than a line may be.

    The name comes out of a log, so it leads nowhere else.
    """
    path = folder / name
    try:
        inside = path.resolve().is_relative_to(folder.resolve())
        if not inside or not path.is_file() or path.stat().st_size > LONGEST_LINE:
            return None
        return path.read_bytes()
    except (OSError, ValueError):
        return None


def _reason(line: bytes, format: Format, folder: Path) -> str | None:
    """Why a line is no call; None when it is one."""
    try:
        format.parse(orjson.loads(line), partial(beside, folder))
    except orjson.JSONDecodeError:
        return "not valid JSON"
    except TypeError as error:
        return str(too_deep(error))
    except BadLineError as error:
        return str(error)
    return None


def format_of(
    lines: Sequence[bytes], *, file: str, name: str = AUTO, mapping: FieldPaths | None = None
) -> Format:
    """The format of a file by its first lines; a `name` other than auto is taken as said.

    Raises UnknownFormatError with the nearest shapes when none of the lines is of one.
    """
    if mapping is not None and mapping.says_bodies:
        return Format(chat.SHAPE, mapping)
    if name != AUTO:
        return Format(SHAPES[name], mapping)
    rows = [row for line in lines if isinstance(row := _parsed(line), dict)]
    votes = Counter(shape.name for row in rows if (shape := shape_of(row)) is not None)
    if votes:
        return Format(SHAPES[votes.most_common(1)[0][0]], mapping)
    if lines:
        raise _unknown(file, rows, looked=len(lines))
    return Format(chat.SHAPE, mapping)


def _parsed(line: bytes) -> Any:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        return None


def _unknown(file: str, rows: Sequence[Mapping[str, Any]], *, looked: int) -> UnknownFormatError:
    seen = frozenset(key for row in rows for key in row)
    near = sorted(SHAPES.values(), key=lambda shape: -len(shape.marks & seen))[:_NEAREST]
    told = [
        f"{shape.name} (has {', '.join(sorted(shape.marks & seen))})"
        for shape in near
        if shape.marks & seen
    ]
    among = f"among its first {looked} lines" if looked > 1 else "in its only line"
    nearest = f"; nearest: {', '.join(told)}" if told else ""
    return UnknownFormatError(
        f"cannot tell the format of {file}: no call in a known format {among}{nearest}",
        hint=f"set spec.format to one of {', '.join(sorted(SHAPES))}, or say in spec.mapping "
        "where the lines hold request and response",
    )
