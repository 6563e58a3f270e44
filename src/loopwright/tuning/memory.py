"""Whether a child died of too little memory, and what to say then."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from loopwright.errors import TuningError
from loopwright.tuning.hyperparameters import Hyperparameters

_VMSTAT = Path("/proc/vmstat")


@dataclass(frozen=True, slots=True)
class Kills:
    """How many processes the kernel has killed for want of memory, where it counts them."""

    count: int | None

    @classmethod
    def now(cls) -> Self:
        try:
            lines = _VMSTAT.read_text().splitlines()
        except OSError:
            return cls(None)
        counted = [line.split()[1] for line in lines if line.startswith("oom_kill ")]
        return cls(int(counted[0]) if counted else None)

    def more_than_then(self) -> bool:
        """Whether the kernel has killed since; false where it does not count."""
        now = Kills.now()
        return None not in (self.count, now.count) and now.count != self.count


def out_of_memory(hyperparameters: Hyperparameters, *, step: int | None = None) -> TuningError:
    """The one clear error, with what to turn down, the strongest means first."""
    turns = []
    if hyperparameters.method == "full":
        turns.append("method: lora")
    if hyperparameters.batch_size > 1:
        half = hyperparameters.batch_size // 2
        turns.append(
            f"batchSize: {half} with gradientAccumulation: "
            f"{2 * hyperparameters.gradient_accumulation}"
        )
    if not hyperparameters.gradient_checkpointing:
        turns.append("gradientCheckpointing: true")
    turns.append(f"a maxLength below {hyperparameters.max_length}")
    where = "" if step is None else f" at step {step}"
    return TuningError(
        f"training ran out of memory{where} (batchSize {hyperparameters.batch_size}, maxLength "
        f"{hyperparameters.max_length}, method {hyperparameters.method})",
        hint=f"try {'; or '.join(turns)}; or a smaller base",
    )
