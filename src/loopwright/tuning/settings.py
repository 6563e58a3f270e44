"""What a training child is told: one JSON file, written by whoever starts it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

import orjson

from loopwright.errors import TuningError
from loopwright.tuning.hyperparameters import Hyperparameters, Method, parse


@dataclass(frozen=True, slots=True)
class RunSettings:
    """One run. The run folder is its memory: started again in it, a run goes on."""

    base: Path
    """Folder of the base model: safetensors, configuration, tokenizer, chat template."""
    base_name: str
    """How the base is called where no path of this machine may stand (an adapter's config)."""
    method: Method
    hyperparameters: Hyperparameters
    train: tuple[Path, ...]
    """JSONL files of chat rows, in the order they are read."""
    run_folder: Path
    """Checkpoints, metrics, curve; kept until the result is registered."""
    output_folder: Path
    """Takes the model; appears whole, when the run has ended well."""
    seed: int = 0
    validation: tuple[Path, ...] = ()
    """JSONL files held out, or else `validation_percentage` of the training rows."""
    validation_percentage: float = 0.0
    adapter: Path | None = None
    """A LoRA adapter on the base to go on from (method lora) or to merge first (full)."""
    trust_remote_code: bool = False
    threads: int = 1
    device: str = "auto"
    """auto, cpu, cuda, cuda:N or mps."""
    engine: str = "local"
    """local: one process. accelerate: its launcher, with `processes`."""
    processes: int = 1
    accelerate_arguments: tuple[str, ...] = field(default=())
    """Further arguments of `accelerate launch`, as `--config_file`."""

    def write(self, path: Path) -> None:
        """As JSON, at once in place."""
        stated = asdict(self) | {"hyperparameters": self.hyperparameters.stated()}
        temporary = path.with_name(f".{path.name}.tmp")
        temporary.write_bytes(orjson.dumps(stated, default=str, option=orjson.OPT_INDENT_2))
        os.replace(temporary, path)

    @classmethod
    def read(cls, path: Path) -> Self:
        """What `write` wrote. Raises TuningError when it is not that."""
        try:
            stated: dict[str, Any] = orjson.loads(path.read_bytes())
            return cls(**stated | _typed(stated))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise TuningError(f"cannot read the settings of the run, {path}: {error}") from error


def _typed(stated: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "base": Path(stated["base"]),
        "run_folder": Path(stated["run_folder"]),
        "output_folder": Path(stated["output_folder"]),
        "adapter": Path(stated["adapter"]) if stated["adapter"] else None,
        "train": tuple(map(Path, stated["train"])),
        "validation": tuple(map(Path, stated["validation"])),
        "accelerate_arguments": tuple(stated["accelerate_arguments"]),
        "hyperparameters": parse(stated["hyperparameters"], stated["method"]),
    }
