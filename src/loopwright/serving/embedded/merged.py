"""An adapter as changed weights: no work per token, and switching costs next to nothing.

The base's own weights are kept as they are and put back for other models, so nothing drifts.
"""

from __future__ import annotations

from typing import Any

import torch

Change = dict[Any, tuple[Any, Any]]
"""Parameter -> its own values and those with the adapter merged in."""


def merged(model: Any, name: str, *, most_bytes: int) -> Change | None:
    """The change that the PEFT adapter `name`, which is active, makes of the model's weights.

    None where layers have to do the work: an adapter that changes more than linear layers of
    their own (tied or saved modules, DoRA), low precision that would round the merged weights,
    or more than `most_bytes` of copies.
    """
    from peft.tuners.lora.layer import Linear
    from peft.tuners.tuners_utils import BaseTunerLayer
    from peft.utils.other import AuxiliaryTrainingWrapper

    modules = list(model.modules())
    if any(isinstance(module, AuxiliaryTrainingWrapper) for module in modules):
        return None
    tuned = [module for module in modules if isinstance(module, BaseTunerLayer)]
    layers = [layer for layer in tuned if name in layer._all_available_adapter_names()]
    kept = {id(module.weight) for module in modules if isinstance(module, torch.nn.Embedding)}
    if not layers or not all(_is_plain(layer, name, kept, kind=Linear) for layer in layers):
        return None
    if sum(layer.get_base_layer().weight.nbytes for layer in layers) > most_bytes:
        return None
    return {layer.get_base_layer().weight: _change(layer, name) for layer in layers}


def held_bytes(change: Change) -> int:
    """Memory that the copies take."""
    return sum(int(changed.nbytes) for _, changed in change.values())


def put(change: Change) -> None:
    """Answer with the adapter from now on."""
    for parameter, (_, changed) in change.items():
        parameter.data = changed


def put_back(change: Change) -> None:
    """Answer as the base again."""
    for parameter, (own, _) in change.items():
        parameter.data = own


def _is_plain(layer: Any, name: str, kept: set[int], *, kind: type) -> bool:
    """Whether the adapter adds a product of two matrices to this layer's weight, and no more."""
    is_kind = type(layer) is kind
    if not is_kind or name in layer.lora_variant or layer.lora_bias.get(name):
        return False
    weight = layer.get_base_layer().weight
    return id(weight) not in kept and bool(weight.dtype == torch.float32)


def _change(layer: Any, name: str) -> tuple[Any, Any]:
    own = layer.get_base_layer().weight.data
    return own, own + layer.get_delta_weight(name)
