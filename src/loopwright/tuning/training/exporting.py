"""The model folder that a run gives: standard files, safetensors only, the same bytes each time."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import torch


def export(model: Any, tokenizer: Any, target: Path, *, stored: str, base_name: str) -> None:
    """Write weights, tokenizer, template and configuration; the folder appears whole.

    `stored`: the type of the base's weights on disk, which a full model keeps. `base_name`: what
    an adapter calls its base; a path of this machine would change its digest.
    """
    staging = target.with_name(f".{target.name}.making")
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    adapter = hasattr(model, "peft_config")
    if adapter:
        for config in model.peft_config.values():
            config.base_model_name_or_path = base_name
            if isinstance(config.target_modules, set):  # written in an order of its own each time
                config.target_modules = sorted(config.target_modules)
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
