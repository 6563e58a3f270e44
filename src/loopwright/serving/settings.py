"""What one runtime process is told: a file that who starts it writes and it reads once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from loopwright.errors import ServingError
from loopwright.models.imprint import Imprint

TOKEN = "LOOPWRIGHT_RUNTIME_TOKEN"
"""Environment variable with the bearer token that every call of a runtime has to carry."""


@dataclass(frozen=True, slots=True)
class RuntimeSettings:
    """One base with its adapters, and what they may take of the machine."""

    weights: Path
    """Folder with full weights (safetensors), config, tokenizer and chat template."""
    label: str
    """Model name of the weights themselves, in calls and answers."""
    announce: Path
    """Where the runtime tells its port, or why it cannot serve."""
    adapters: Mapping[str, Path] = field(default_factory=dict)
    """PEFT folders put on the weights, by the model name they are called with."""
    threads: int = 1
    """Compute threads. More than one pays only for models of some hundred million parameters."""
    max_batch: int = 16
    """Sequences that are generated together."""
    memory_bytes: int | None = None
    """Bound of weights and caches together; None is what the machine has."""
    idle_seconds: float | None = None
    """Without a call for so long the weights leave memory; None keeps them."""
    device: str = "cpu"
    """`cpu`, `cuda`, `cuda:N`, or `auto`: a GPU when there is one."""
    trust_remote_code: bool = False
    """Whether Python code in the folder may run."""
    imprints: Mapping[str, Imprint] = field(default_factory=dict)
    """What the files of a model have to be at each load, by its name."""

    def imprint(self, label: str) -> Imprint:
        return self.imprints.get(label, Imprint())

    def write(self, path: Path) -> None:
        """Put it at `path`, readable by this user only."""
        told = {name: getattr(self, name) for name in self.__slots__}
        told |= {"adapters": {label: str(folder) for label, folder in self.adapters.items()}}
        told |= {"imprints": {label: asdict(one) for label, one in self.imprints.items()}}
        told |= {"weights": str(self.weights), "announce": str(self.announce)}
        path.touch(mode=0o600)
        path.write_text(json.dumps(told, ensure_ascii=False, indent=1), encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Self:
        """The settings at `path`. Raises ServingError when they are not usable."""
        try:
            told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            adapters = {label: Path(folder) for label, folder in told.pop("adapters", {}).items()}
            known = told.pop("imprints", {})
            imprints = {label: Imprint.from_json(one) for label, one in known.items()}
            weights, announce = Path(told.pop("weights")), Path(told.pop("announce"))
            return cls(
                weights=weights, announce=announce, adapters=adapters, imprints=imprints, **told
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ServingError(f"cannot read the runtime's settings {path}: {error}") from error
