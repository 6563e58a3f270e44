"""Files of recorded calls looked at before they are imported: how many lines, in which format."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

from loopwright.lake.jsonl import CutShortError, numbered_lines
from loopwright.lake.looking import LINES, Look, look, sum_of
from loopwright.lake.shapes.mapped import FieldPaths
from loopwright.providers.base import Estimate, Range

_COUNTED_BYTES = 16 << 20
"""A file up to this size on disk is counted; of a larger one this much is read."""
_REASONS_TOLD = 2
_FILES_NAMED = 8


def estimate_lines(
    paths: Sequence[Path], *, format: str = "auto", mapping: Mapping[str, str] | None = None
) -> Estimate:
    """What importing these files would read, and how.

    Raises LakeError when one cannot be read or its format not be told.
    """
    fields = FieldPaths(mapping) if mapping else None
    looks = [(path.name, look(path, format=format, mapping=fields)) for path in paths]
    total = Range.exact(0)
    for path in paths:
        total += _counted(path)
    notes = (*_notes(looks), "calls that the lake has already add nothing")
    return Estimate(rows=total, notes=notes)


def _notes(looks: Sequence[tuple[str, Look]]) -> Iterator[str]:
    """A note a file, or of many files a note a format."""
    seen = [(name, found) for name, found in looks if found.lines]
    if len(seen) <= _FILES_NAMED:
        yield from (f"{name}: {_words(found)}" for name, found in seen)
        return
    by_format: dict[str, list[Look]] = {}
    for _, found in seen:
        by_format.setdefault(found.format.name, []).append(found)
    for same in by_format.values():
        yield f"{len(same):,} file{'s' if len(same) > 1 else ''}: {_words(sum_of(same))}"


def _words(look: Look) -> str:
    """E.g. `litellm, 98 of the first 100 lines; left out: prompt not stored (2)`."""
    first = "the first " if look.lines >= LINES else ""
    reasons = [f"{why} ({count})" for why, count in look.left_out.most_common(_REASONS_TOLD)]
    more = ", ..." if len(look.left_out) > _REASONS_TOLD else ""
    left = f"; left out: {', '.join(reasons)}{more}" if reasons else ""
    return f"{look.format.name}, {look.calls:,} of {first}{look.lines:,} lines{left}"


def _counted(path: Path) -> Range:
    """Lines of a file: exact of a small one, inferred from the beginning of a large one."""
    size = path.stat().st_size
    steps = [0]
    lines = 0
    with closing(numbered_lines(path, passed=steps.append)) as records:
        try:
            for _ in records:
                lines += 1
                if _COUNTED_BYTES < sum(steps) < size:
                    break
        except CutShortError:
            return Range.exact(lines)  # the import names the place; what could be read is counted
    if sum(steps) >= size:
        return Range.exact(lines)
    counted = sum(steps[:-1]) or sum(steps)  # the last step is read ahead, its lines not counted
    likely = lines * size / counted
    return Range(round(likely), round(likely * 0.7), round(likely * 1.4))
