"""What the first lines of a file say: its format, and how many of them are calls.

A file is known by what its lines hold, never by its name. Plans look too, so nothing here needs
the lake itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import orjson

from loopwright.errors import LakeError
from loopwright.lake.jsonl import LONGEST_LINE, head
from loopwright.lake.shapes import chat
from loopwright.lake.shapes.base import BadLineError, NotACallError, Shape
from loopwright.lake.shapes.mapped import FieldPaths
from loopwright.lake.shapes.registry import AUTO, SHAPES, Format, shape_of, too_deep

LINES = 100
BYTES = 4 << 20
"""How much of a file decides what its format is."""
_NEAREST = 2


class UnknownFormatError(LakeError):
    """None of the first lines of a file can be read: it is in another format."""


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
    """Look at the beginning of a file.

    Raises UnknownFormatError when no line there can be read, LakeError when the file cannot be.
    """
    lines = head(path, lines=LINES, most_bytes=BYTES)
    found = format_of(lines, file=path.name, name=format, mapping=mapping)
    refusals = [why for line in lines if (why := _refusal(line, found, path.parent)) is not None]
    left_out = Counter(map(str, refusals))
    seen = Look(found, len(lines), len(lines) - len(refusals), left_out)
    if lines and not seen.calls and not _are_sound(lines, found, refusals):
        raise _unreadable(path.name, seen, lines)
    return seen


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


def _are_sound(lines: Sequence[bytes], format: Format, refusals: Sequence[BadLineError]) -> bool:
    """Whether lines without a call are still what the format writes, such as spans alone."""
    of_shape = not format.is_own and any(map(format.shape.bears, _rows(lines)))
    return of_shape and any(isinstance(why, NotACallError) for why in refusals)


def _refusal(line: bytes, format: Format, folder: Path) -> BadLineError | None:
    """Why a line is no call; None when it is one."""
    try:
        format.parse(orjson.loads(line), partial(beside, folder))
    except orjson.JSONDecodeError:
        return BadLineError("not valid JSON")
    except TypeError as error:
        return too_deep(error)
    except BadLineError as error:
        return error
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
    likely = _likely(lines)
    if likely is not None:
        return Format(likely, mapping)
    if lines:
        raise _unknown(file, lines)
    return Format(chat.SHAPE, mapping)


def _likely(lines: Sequence[bytes]) -> Shape | None:
    """The shape that most of the lines bear."""
    votes = Counter(shape.name for row in _rows(lines) if (shape := shape_of(row)) is not None)
    return SHAPES[votes.most_common(1)[0][0]] if votes else None


def _rows(lines: Sequence[bytes]) -> Iterator[dict[str, Any]]:
    return (row for line in lines if isinstance(row := _parsed(line), dict))


def _parsed(line: bytes) -> Any:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        return None


def _unknown(file: str, lines: Sequence[bytes]) -> UnknownFormatError:
    seen = frozenset(key for row in _rows(lines) for key in row)
    near = sorted(SHAPES.values(), key=lambda shape: -len(shape.marks & seen))[:_NEAREST]
    told = [
        f"{shape.name} (has {', '.join(sorted(shape.marks & seen))})"
        for shape in near
        if shape.marks & seen
    ]
    nearest = f"; nearest: {', '.join(told)}" if told else ""
    return UnknownFormatError(
        f"cannot tell the format of {file}: no call in a known format {_among(lines)}{nearest}",
        hint=f"set spec.format to one of {', '.join(sorted(SHAPES))}, or say in spec.mapping "
        "where the lines hold request and response",
    )


def _unreadable(file: str, look: Look, lines: Sequence[bytes]) -> UnknownFormatError:
    reasons = ", ".join(f"{why} ({count})" for why, count in look.left_out.most_common(_NEAREST))
    likely = _likely(lines)
    if look.format.is_own:
        hint = "see where the paths of spec.mapping lead in a line"
    elif likely is not None and likely is not look.format.shape:
        hint = f"its lines look like {likely.name}: set spec.format to that, or leave it out"
    else:
        hint = "look at its first lines, or say in spec.mapping where they hold what"
    return UnknownFormatError(
        f"cannot read {file} ({look.format.name}): no call {_among(lines)}: {reasons}", hint=hint
    )


def _among(lines: Sequence[bytes]) -> str:
    return f"among its first {len(lines)} lines" if len(lines) > 1 else "in its only line"
