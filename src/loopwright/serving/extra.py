"""The extra that the embedded runtime needs, looked for without importing it."""

from __future__ import annotations

from importlib.util import find_spec

from loopwright.errors import ServingError

_NEEDED = ("torch", "transformers", "peft", "safetensors")


def check_extra() -> None:
    """Raises ServingError when this installation cannot serve models itself."""
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise ServingError(
            f"serving a model on this machine needs torch, transformers and peft; "
            f"missing here: {', '.join(missing)}",
            hint="pip install 'loopwright[train]', or name a server: runtime.vllm",
        )
