"""The model folder that a run gives: standard files, safetensors only, the same bytes each time."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import torch


def export(model: Any, tokenizer: Any, target: Path, *, stored: str) -> None:
    """Write weights, tokenizer, template and configuration; the folder appears whole.

    `stored`: the type of the base's weights on disk, which a full model keeps.
    """
    staging = target.with_name(f".{target.name}.making")
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    adapter = hasattr(model, "peft_config")
    if adapter:
        model.save_pretrained(str(staging), save_embedding_layers=False)
        (staging / "README.md").unlink(missing_ok=True)  # names paths; the registry has its own
        if model.generation_config is not None:
            model.generation_config.save_pretrained(str(staging))
    else:
        model.to(getattr(torch, stored))
        model.save_pretrained(str(staging))
    tokenizer.save_pretrained(str(staging))
    if target.is_dir() and not any(target.iterdir()):
        target.rmdir()
    elif target.exists():
        shutil.rmtree(target)
    os.replace(staging, target)
