"""An adapter and its base as one full model. The only place of this package that needs torch."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path

from loopwright.errors import ModelError
from loopwright.models.contents import deciding_files
from loopwright.models.served import Servable
from loopwright.models.weights import ADAPTER_CONFIG, CONFIG, INDEX

_TOKENIZER = "tokenizer_config.json"


def merge(model: Servable, target: Path) -> None:
    """Write base and adapter, merged on the CPU, into the folder `target` as transformers does.

    The tokenizer and template are the adapter's where it has its own. Raises ModelError when the
    extra is missing, or the adapter does not fit.
    """
    if model.adapter is None:
        raise ModelError(f"{model.label} is a full model: there is nothing to merge")
    try:
        from peft import PeftModel
        from transformers import AutoModelForCausalLM
        from transformers.utils import logging as transformers_logging
    except ImportError as error:
        raise ModelError(
            "merging needs torch, transformers and peft", hint="pip install 'loopwright[train]'"
        ) from error
    transformers_logging.disable_progress_bar()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        try:
            base = AutoModelForCausalLM.from_pretrained(
                model.weights,
                local_files_only=True,
                use_safetensors=True,
                trust_remote_code=model.trust_remote_code,
            )
            merged = PeftModel.from_pretrained(base, model.adapter).merge_and_unload()
        except (ValueError, RuntimeError, KeyError, OSError) as error:
            said = str(error).strip().splitlines()
            raise ModelError(
                f"cannot put {model.label} on its base: {said[0][:300] if said else error!r}"
            ) from error
        merged.save_pretrained(target)
    _copy_tokenizer(model, target)


def _copy_tokenizer(model: Servable, target: Path) -> None:
    adapter = model.adapter
    source = adapter if adapter and (adapter / _TOKENIZER).is_file() else model.weights
    for name in deciding_files(source, code=model.trust_remote_code):
        if name.endswith(".safetensors") or name in (CONFIG, ADAPTER_CONFIG, INDEX):
            continue
        if not (target / name).exists():
            (target / name).parent.mkdir(exist_ok=True)
            shutil.copyfile(source / name, target / name)
