"""Files of recorded calls looked at before they are imported: how many lines, in which format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from loopwright.lake.jsonl import CutShortError, numbered_lines
from loopwright.providers.base import Estimate, Range

if TYPE_CHECKING:
    from loopwright.lake.looking import Look

_COUNTED_BYTES = 16 << 20
"""A file up to this size on disk is counted; of a larger one this much is read."""
_REASONS_TOLD = 2


def estimate_lines(
    paths: Sequence[Path], *, format: str = "auto", mapping: Mapping[str, str] | None = None
) -> Estimate:
    """What importing these files would read, and how.

    Raises LakeError when one cannot be read or its format not be told.
    """
    from loopwright.lake.looking import look
    from loopwright.lake.shapes.mapped import FieldPaths

    fields = FieldPaths(mapping) if mapping else None
    notes, total = [], Range.exact(0)
    for path in paths:
        found = look(path, format=format, mapping=fields)
        total += _counted(path)
        if found.lines:
            notes.append(f"{path.name}: {_words(found)}")
    return Estimate(rows=total, notes=(*notes, "calls that the lake has already add nothing"))


def _words(look: Look) -> str:
    """E.g. `langfuse, 2 of the first 3 lines are calls; left out: prompt not stored (1)`."""
    of = f"of the first {look.lines} lines" if look.lines > 1 else "of 1 line"
    are = "is a call" if look.calls == 1 else "are calls"
    reasons = [f"{why} ({count})" for why, count in look.left_out.most_common(_REASONS_TOLD)]
    more = ", ..." if len(look.left_out) > _REASONS_TOLD else ""
    left = f"; left out: {', '.join(reasons)}{more}" if reasons else ""
    return f"{look.format.name}, {look.calls} {of} {are}{left}"


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
