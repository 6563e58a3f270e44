"""A model in memory: weights, context, what ends a text, and the adapters put on it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM

from loopwright.errors import ServingError
from loopwright.models.weights import parameter_count
from loopwright.serving.embedded.adapters import MOST_MERGED, Adapters
from loopwright.serving.embedded.joined_rows import JoinedRows, can_join
from loopwright.serving.embedded.memory import check_room
from loopwright.serving.embedded.rows import Rows
from loopwright.serving.embedded.separate_rows import SeparateRows
from loopwright.serving.settings import RuntimeSettings

_CONTEXT = 4096  # of a model whose config names none


@dataclass(frozen=True, slots=True)
class Defaults:
    """What a call does not say is as the model's generation_config.json has it."""

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    ends: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Loaded:
    """Weights in memory, ready to answer."""

    model: Any
    adapters: Adapters
    weights_bytes: int
    token_bytes: int
    """Memory of keys and values of one token."""
    joins: bool
    """Whether sequences may share one cache."""

    @property
    def held_bytes(self) -> int:
        """Memory of the weights, and of those that adapters were merged into."""
        return self.weights_bytes + self.adapters.held_bytes

    def rows(self, most: int) -> Rows:
        """Fresh rows; `most` are in use at once."""
        if self.joins:
            return JoinedRows(self.model, token_bytes=self.token_bytes, most=most)
        return SeparateRows(self.model, token_bytes=self.token_bytes)


def load(settings: RuntimeSettings) -> Loaded:
    """Read the weights. Raises ModelError when they are not what was verified, ServingError when
    they do not load or do not fit."""
    settings.imprint(settings.label).check(settings.weights)
    device = find_device(settings.device)
    dtype = torch.float32 if device.type == "cpu" else "auto"
    size = 4 if device.type == "cpu" else 2
    needed = parameter_count(settings.weights) * size
    check_room(settings.label, needed, settings.memory_bytes, on_cpu=device.type == "cpu")
    try:
        model = AutoModelForCausalLM.from_pretrained(
            settings.weights, dtype=dtype, use_safetensors=True, local_files_only=True,
            trust_remote_code=settings.trust_remote_code,
        ).to(device)  # fmt: skip
    except Exception as error:  # of many kinds, all meaning that these files are no model
        raise ServingError(
            f"cannot load {settings.label} from {settings.weights}: {error}",
            hint="the folder needs config.json and safetensors that fit together",
        ) from error
    model.eval().requires_grad_(False)
    weights = sum(weight.nbytes for weight in model.parameters())
    bound = settings.memory_bytes
    room = MOST_MERGED if bound is None else min(MOST_MERGED, (bound - weights) // 2)
    return Loaded(
        model=model,
        adapters=Adapters(model, most_merged=room),
        weights_bytes=weights,
        token_bytes=_token_bytes(model),
        joins=can_join(model),
    )


def find_device(wanted: str) -> torch.device:
    """Raises ServingError when there is no such device here."""
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(wanted)
    except RuntimeError as error:
        raise ServingError(f"{wanted!r} is no device: {error}") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ServingError(
            f"there is no GPU for device {wanted!r} here", hint="use runtime.device: cpu or auto"
        )
    return device


def find_context(folder: Path, *, trust_remote_code: bool = False) -> int:
    """Tokens that prompt and answer may have together."""
    config = AutoConfig.from_pretrained(
        folder, local_files_only=True, trust_remote_code=trust_remote_code
    ).get_text_config(decoder=True)
    for name in ("max_position_embeddings", "n_positions", "max_sequence_length", "seq_length"):
        found = getattr(config, name, None)
        if isinstance(found, int) and found > 0:
            return found
    return _CONTEXT


def find_defaults(folder: Path, end: int | None) -> Defaults:
    """What the folder says about generation; `end` is the tokenizer's token that ends a text."""
    told: dict[str, Any] = {}
    for name in ("config.json", "generation_config.json"):
        try:
            read = json.loads((folder / name).read_text(encoding="utf-8"))
        except FileNotFoundError:
            continue
        except (OSError, ValueError) as error:
            raise ServingError(f"cannot read {folder / name}: {error}") from error
        told |= read if name.startswith("gen") else {"eos_token_id": read.get("eos_token_id")}
    ends = told.get("eos_token_id")
    listed = ends if isinstance(ends, list) else [ends]
    return Defaults(
        temperature=0.0 if told.get("do_sample") is False else _or(told.get("temperature"), 1.0),
        top_p=_or(told.get("top_p"), 1.0),
        top_k=int(_or(told.get("top_k"), 0)),
        ends=frozenset(token for token in (*listed, end) if isinstance(token, int)),
    )


def _or(found: Any, default: float) -> float:
    return default if found is None else float(found)


def _token_bytes(model: Any) -> int:
    """Memory of one token's keys and values, by looking at what one token leaves behind."""
    with torch.inference_mode():
        output = model(input_ids=torch.zeros((1, 1), dtype=torch.long, device=model.device))
    cache = getattr(output, "past_key_values", None) or getattr(output, "cache_params", None)
    total = 0
    for layer in getattr(cache, "layers", ()):
        for states in (getattr(layer, "keys", None), getattr(layer, "values", None)):
            total += states.nbytes if isinstance(states, torch.Tensor) else 0
    return max(total, 1)
