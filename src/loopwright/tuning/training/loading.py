"""The base model, its tokenizer, and the adapter on it, ready to train."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from loopwright.errors import TuningError
from loopwright.tuning.hyperparameters import ALL_LINEAR, Hyperparameters
from loopwright.tuning.settings import RunSettings
from loopwright.tuning.training.templates import TurnEnd


def device_of(settings: RunSettings) -> str:
    """The kind of device to train on: cpu, cuda or mps. Raises TuningError when it is not there."""
    kind = settings.device.partition(":")[0]
    there = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    if kind == "auto":
        return next(name for name in ("cuda", "mps", "cpu") if there[name])
    if not there.get(kind, False):
        raise TuningError(
            f"the device {settings.device} is not there",
            hint="set connection.training.device to auto or cpu, or install a torch that has it",
        )
    return kind


def uses_bf16(settings: RunSettings, device: str) -> bool:
    """Whether to train in bf16 mixed precision."""
    wanted = settings.hyperparameters.precision
    if wanted == "bf16":
        if device == "cuda" and not torch.cuda.is_bf16_supported():
            raise TuningError("this GPU has no bf16", hint="set precision: fp32")
        return True
    return wanted == "auto" and device == "cuda" and bool(torch.cuda.is_bf16_supported())


def load_tokenizer(settings: RunSettings) -> Any:
    """The base's tokenizer, with a padding token. Raises TuningError."""
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            settings.base, trust_remote_code=settings.trust_remote_code
        )
    except (OSError, ValueError, KeyError) as error:
        raise _unusable(settings, "tokenizer", error) from error
    if not tokenizer.is_fast:
        raise TuningError(
            f"the base model {settings.base_name} has no fast tokenizer (tokenizer.json), which "
            "is needed to tell exactly what the assistant said",
            hint="convert it with transformers, or take another base",
        )
    if tokenizer.pad_token is None:
        # One that is there already: a new one would need a new row in the embeddings.
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    return tokenizer


def load_model(
    settings: RunSettings, *, bf16: bool, weights: Path | None = None
) -> tuple[Any, str]:
    """The model to train, and the type that its weights have on disk.

    Under LoRA only the adapter trains, so the base may rest in bf16; else masters are fp32.
    `weights`: those of an own checkpoint instead of the base's or the adapter's.
    """
    lora = settings.method == "lora"
    try:
        config = AutoConfig.from_pretrained(
            settings.base, trust_remote_code=settings.trust_remote_code
        )
        model = AutoModelForCausalLM.from_pretrained(
            settings.base if lora or weights is None else weights,
            dtype=torch.bfloat16 if lora and bf16 else torch.float32,
            use_safetensors=True,
            trust_remote_code=settings.trust_remote_code,
        )
    except (OSError, ValueError, KeyError) as error:
        raise _unusable(settings, "model", error) from error
    stored = str(getattr(config, "dtype", None) or torch.float32).removeprefix("torch.")
    if not lora:
        if settings.adapter is not None and weights is None:
            model = _adapted(model, settings.adapter, trainable=False).merge_and_unload()
            model.requires_grad_(True)
        return model, stored
    adapter = weights or settings.adapter
    if adapter is not None:
        return _adapted(model, adapter, trainable=True), stored
    return _with_lora(model, settings), stored


def agree(model: Any, tokenizer: Any, turn_end: TurnEnd, base_name: str) -> None:
    """Make model, tokenizer and generation end a turn, and pad, with the same tokens."""
    rows = model.get_input_embeddings().weight.shape[0]
    if len(tokenizer) > rows:
        raise TuningError(
            f"the tokenizer of {base_name} has {len(tokenizer)} tokens, its model only {rows}",
            hint="the two do not belong together: restore the folder, or take another base",
        )
    if tokenizer.eos_token_id != turn_end.id:
        tokenizer.eos_token = turn_end.text
    text_config = model.config.get_text_config()
    text_config.pad_token_id = tokenizer.pad_token_id
    generation = model.generation_config
    if generation is not None:
        ends = generation.eos_token_id
        ends = [ends] if isinstance(ends, int) else list(ends or [])
        generation.eos_token_id = list(dict.fromkeys([turn_end.id, *ends]))
        if len(generation.eos_token_id) == 1:
            generation.eos_token_id = turn_end.id
        generation.pad_token_id = tokenizer.pad_token_id


def longest_row(settings: RunSettings, model: Any) -> int:
    """Tokens that a row may have: `maxLength`, or the model's context when that is less."""
    context = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    wanted = settings.hyperparameters.max_length
    return min(wanted, int(context)) if context else wanted


def _with_lora(model: Any, settings: RunSettings) -> Any:
    from peft import LoraConfig, get_peft_model

    hyperparameters = settings.hyperparameters
    torch.manual_seed(settings.seed)
    try:
        return get_peft_model(model, _lora(LoraConfig, hyperparameters))
    except ValueError as error:
        names = sorted(
            {
                name.rpartition(".")[2]
                for name, module in model.named_modules()
                if isinstance(module, torch.nn.Linear)
            }
        )
        raise TuningError(
            f"no adapter can be put on loraTargets {','.join(hyperparameters.lora_targets)}: "
            f"{error}",
            hint=f"linear layers of this base: {', '.join(names)}; or say {ALL_LINEAR}",
        ) from error


def _lora(config: Any, hyperparameters: Hyperparameters) -> Any:
    targets = hyperparameters.lora_targets
    return config(
        task_type="CAUSAL_LM",
        r=hyperparameters.lora_rank,
        lora_alpha=hyperparameters.lora_alpha,
        lora_dropout=hyperparameters.lora_dropout,
        target_modules=ALL_LINEAR if targets == (ALL_LINEAR,) else list(targets),
    )


def _adapted(model: Any, folder: Path, *, trainable: bool) -> Any:
    from peft import PeftModel

    try:
        return PeftModel.from_pretrained(model, str(folder), is_trainable=trainable)
    except (OSError, ValueError, RuntimeError) as error:
        raise TuningError(
            f"cannot go on from the adapter {folder.name}: {str(error).splitlines()[0]}",
            hint="an adapter goes on only upon the base that it was tuned on",
        ) from error


def _unusable(settings: RunSettings, what: str, error: Exception) -> TuningError:
    said = (str(error).strip() or type(error).__name__).splitlines()[0]
    return TuningError(
        f"cannot load the {what} of the base model {settings.base_name}: {said}",
        hint="a base is a folder with config.json, *.safetensors and tokenizer.json; models with "
        "code of their own also want trustRemoteCode: true",
    )
