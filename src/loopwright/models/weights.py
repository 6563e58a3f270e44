"""Weights in safetensors: which files hold them, how many parameters, and what is refused.

Only headers are read here, so counting needs no torch and takes no time. Pickles are refused:
reading one can run any code that its maker put in.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from loopwright.errors import ModelError

FULL = "model.safetensors"
INDEX = "model.safetensors.index.json"
ADAPTER = "adapter_model.safetensors"
CONFIG = "config.json"
ADAPTER_CONFIG = "adapter_config.json"
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
_OTHERS = (".gguf", ".ggml", ".h5", ".msgpack", ".onnx")
_MOST_HEADER = 100 << 20
"""The bound of the safetensors format itself."""


def is_adapter(folder: Path) -> bool:
    """Whether the folder holds a PEFT adapter and no weights of its own."""
    return (folder / ADAPTER_CONFIG).is_file() and not _has_full(folder)


def weight_files(folder: Path) -> tuple[str, ...]:
    """Names of the files that transformers or PEFT would load weights from, sorted.

    Raises ModelError when there are none, or one that an index names is missing.
    """
    if is_adapter(folder):
        return (_present(folder, ADAPTER),)
    if (folder / FULL).is_file():
        return (FULL,)
    if not (folder / INDEX).is_file():
        raise _no_weights(folder, FULL)
    named = set(read_json(folder / INDEX).get("weight_map", {}).values())
    for name in named:
        if not isinstance(name, str) or "/" in name or not name.endswith(".safetensors"):
            raise ModelError(f"{folder / INDEX} names {name!r}, which is no file of this folder")
    return tuple(sorted(_present(folder, name) for name in named))


def parameter_count(folder: Path) -> int:
    """Parameters in the folder's weights, as their headers say. Raises ModelError."""
    return sum(
        math.prod(shape) for name in weight_files(folder) for shape in _shapes(folder / name)
    )


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object of a model folder. Raises ModelError."""
    try:
        found = orjson.loads(path.read_bytes())
    except FileNotFoundError:
        raise ModelError(f"{path.parent} has no {path.name}", hint=_FORM) from None
    except (OSError, orjson.JSONDecodeError) as error:
        raise ModelError(f"cannot read {path}: {error}") from error
    if not isinstance(found, dict):
        raise ModelError(f"{path} is not a JSON object")
    return found


def _has_full(folder: Path) -> bool:
    return (folder / FULL).is_file() or (folder / INDEX).is_file()


def _present(folder: Path, name: str) -> str:
    if not (folder / name).is_file():
        raise _no_weights(folder, name)
    return name


def _shapes(path: Path) -> Iterator[list[int]]:
    """Shapes of the tensors of a file; a truncated one is found by what its header promises."""
    try:
        size = path.stat().st_size
        with path.open("rb") as handle:
            length = int.from_bytes(handle.read(8), "little")
            if not 0 < length <= min(_MOST_HEADER, size - 8):
                raise ValueError("no header")
            header: Mapping[str, Any] = orjson.loads(handle.read(length))
        tensors = [tensor for name, tensor in header.items() if name != "__metadata__"]
        end = max((int(tensor["data_offsets"][1]) for tensor in tensors), default=0)
        if 8 + length + end != size:
            raise ValueError(f"{size:,} bytes, but {8 + length + end:,} by its header")
        yield from ([int(side) for side in tensor["shape"]] for tensor in tensors)
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise ModelError(
            f"{path} is not a whole safetensors file: {error}", hint="copy or download it again"
        ) from error


_FORM = (
    "a model folder has config.json, weights as safetensors and a tokenizer; weights in pickles "
    "are not loaded"
)
_CONVERT = (
    "where you trust them, convert them with transformers: AutoModelForCausalLM"
    ".from_pretrained(FOLDER).save_pretrained(NEW_FOLDER)"
)


def _no_weights(folder: Path, name: str) -> ModelError:
    there = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    if pickles := [one for one in there if one.endswith(_PICKLES) and "model" in one]:
        return ModelError(
            f"{folder} has its weights in {pickles[0]}, a pickle, which can run code when it is "
            "read; only safetensors are loaded",
            hint=_CONVERT,
        )
    if others := [one for one in there if one.endswith(_OTHERS)]:
        return ModelError(
            f"{folder} has its weights in {others[0]}; only safetensors are loaded",
            hint="take the model's safetensors release, or serve this file with a server of its "
            "own and name it as spec.model.upstream",
        )
    return ModelError(f"{folder} has no {name}", hint=_FORM)
