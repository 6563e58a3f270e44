"""The extra that the embedded runtime needs, looked for without importing it."""

from __future__ import annotations

from loopwright import children
from loopwright.errors import ServingError


def check_extra() -> None:
    """Raises ServingError when this installation cannot serve models itself."""
    if told := children.lacks("serving a model on this machine", children.TO_SERVE):
        hint = f"{children.INSTALL}, or name a server: runtime.vllm"
        raise ServingError(told, hint=hint)
