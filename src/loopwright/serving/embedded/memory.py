"""What a model takes of memory, known before it is loaded, and what there is."""

from __future__ import annotations

from pathlib import Path

from loopwright.errors import ServingError


def size(count: int) -> str:
    """Bytes as people say them."""
    if count >= 10 << 20:
        return f"{count / (1 << 20):,.0f} MiB"
    return f"{count / 1024:,.0f} KiB"


def check_room(label: str, needed: int, bound: int | None, *, on_cpu: bool) -> None:
    """Raises ServingError when weights of `needed` bytes do not fit, with the numbers."""
    if bound is not None and needed >= bound:
        raise ServingError(
            f"{label} needs {size(needed)} for its weights alone; "
            f"the runtime may take {size(bound)}",
            hint="raise runtime.memory of the Provider, or serve a smaller model",
        )
    free = available() if on_cpu else None
    if free is not None and needed > free:
        raise ServingError(
            f"{label} needs {size(needed)} for its weights; this machine has {size(free)} free",
            hint="end other programs, serve a smaller model, or name a server: runtime.vllm",
        )


def available() -> int | None:
    """Bytes that programs can still get without swapping; None where the system does not say."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    for line in lines:
        name, _, rest = line.partition(":")
        if name == "MemAvailable":
            return int(rest.split()[0]) * 1024
    return None


def resident() -> int | None:
    """Bytes of memory that this process holds now."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    for line in lines:
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return None
