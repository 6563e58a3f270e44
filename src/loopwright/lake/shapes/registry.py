"""All known shapes, and a format: the shape of a file's lines with what a mapping says of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from loopwright.lake.shapes import ark, bedrock, chat, langfuse, litellm, stored
from loopwright.lake.shapes.base import BadLineError, Beside, Exchange, Shape
from loopwright.lake.shapes.mapped import FieldPaths

AUTO = "auto"
SHAPES: Mapping[str, Shape] = {
    # Those with marks of their own first: others would take their lines for the usual shapes.
    module.SHAPE.name: module.SHAPE
    for module in (bedrock, langfuse, litellm, stored, ark, chat)
}
_OWN = "as mapped"


@dataclass(frozen=True, slots=True)
class Format:
    """How the lines of a file are read: a shape, a mapping, or a shape corrected by a mapping."""

    shape: Shape
    mapping: FieldPaths | None = None

    @property
    def is_own(self) -> bool:
        """Whether the mapping alone says how to read a line."""
        return self.mapping is not None and self.mapping.says_bodies

    @property
    def name(self) -> str:
        return _OWN if self.is_own else self.shape.name

    def parse(self, line: Any, beside: Beside) -> Exchange:
        """Raises BadLineError."""
        exchange = self._read(line, beside)
        return exchange if self.mapping is None else self.mapping.applied(exchange, line)

    def _read(self, line: Any, beside: Beside) -> Exchange:
        if self.mapping is not None and self.mapping.says_bodies:
            return self.mapping.bodies(line)
        completed = self.shape.completed
        return self.shape.parse(line if completed is None else completed(line, beside))


def too_deep(error: TypeError) -> BadLineError:
    """What orjson parsed but cannot write again, since it is nested too deeply, is a bad line.

    Raises any other error again.
    """
    if str(error) != "Recursion limit reached":
        raise error
    return BadLineError("nested too deeply")


def shape_of(line: Mapping[str, Any]) -> Shape | None:
    return next((shape for shape in SHAPES.values() if shape.bears(line)), None)
