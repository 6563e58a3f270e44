"""LoRA and other PEFT adapters on one base, switched between the steps of different models."""

from __future__ import annotations

import json
import warnings
from itertools import count
from pathlib import Path
from typing import Any

from loopwright.errors import ServingError
from loopwright.serving.embedded.merged import Change, held_bytes, merged, put, put_back

_NUMBERS = count(1)
MOST_MERGED = 256 << 20


class Adapters:
    """The adapters of one model in memory; one of them, or none, is in use at a time."""

    def __init__(self, model: Any, *, most_merged: int = MOST_MERGED) -> None:
        """`most_merged` bytes may be taken by weights that adapters were merged into."""
        self._model, self._most_merged = model, most_merged
        self._peft: Any = None
        self._names: dict[str, str] = {}  # of those that PEFT runs: its names may hold no dot
        self._changes: dict[str, Change] = {}  # of those that were merged
        self._used: str | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        return (*self._names, *self._changes)

    @property
    def held_bytes(self) -> int:
        """Memory of merged weights."""
        return sum(held_bytes(change) for change in self._changes.values())

    def add(self, label: str, folder: Path) -> None:
        """Raises ServingError when the adapter does not load or does not fit the model."""
        _check(label, folder)
        self.use(None)
        name = f"adapter{next(_NUMBERS)}"
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            try:
                self._load(name, folder)
            except Exception as error:  # of many kinds, all meaning that it does not fit
                self._discard(name)
                raise ServingError(
                    f"cannot put the adapter {label} ({folder}) on this model: {error}",
                    hint="an adapter fits the base that it was tuned on",
                ) from error
        if missing := [str(entry.message) for entry in told if "missing" in str(entry.message)]:
            self._discard(name)
            raise ServingError(f"the adapter {label} ({folder}) is not whole: {missing[0][:300]}")
        change = merged(self._model, name, most_bytes=self._most_merged - self.held_bytes)
        if change is None:
            self._names[label] = name
            self._activate(None)
        else:
            self._changes[label] = change
            self._discard(name)

    def use(self, label: str | None) -> None:
        """Answer as this adapter from now on; None is the base itself."""
        if label != self._used:
            self._activate(label)
            self._used = label

    def remove(self, label: str) -> None:
        """Free its memory."""
        self.use(None)
        self._changes.pop(label, None)
        if name := self._names.pop(label, None):
            self._discard(name)

    def _load(self, name: str, folder: Path) -> None:
        from peft import PeftModel

        if self._peft is None:
            self._peft = PeftModel.from_pretrained(
                self._model, folder, adapter_name=name, is_trainable=False
            )
        else:
            self._peft.load_adapter(folder, adapter_name=name, is_trainable=False)
        self._peft.eval()

    def _discard(self, name: str) -> None:
        """Take one adapter out of PEFT; with the last one the model becomes what it was."""
        if self._peft is None:
            _strip(self._model)  # PEFT failed half way
        elif not self._names:
            self._peft.unload()
            self._peft = None
        elif name in self._peft.peft_config:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that another one became active: we say which
                self._peft.delete_adapter(name)
            self._activate(None)

    def _activate(self, label: str | None) -> None:
        if self._used in self._changes:
            put_back(self._changes[self._used])
        if label in self._changes:
            put(self._changes[label])
        if self._peft is None:
            return
        if label not in self._names:
            self._peft.base_model.disable_adapter_layers()
        else:
            self._peft.base_model.enable_adapter_layers()
            self._peft.base_model.set_adapter(self._names[str(label)], inference_mode=True)


def _strip(model: Any) -> None:
    """Put a model's own layers back."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    for name, module in list(model.named_modules()):
        if isinstance(module, BaseTunerLayer):
            parent, _, child = name.rpartition(".")
            setattr(model.get_submodule(parent), child, module.get_base_layer())


def _check(label: str, folder: Path) -> None:
    try:
        config = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ServingError(f"{folder} holds no adapter for {label}: {error}") from error
    if not (folder / "adapter_model.safetensors").is_file():
        raise ServingError(f"{folder} holds no adapter_model.safetensors for {label}")
    kind = str(config.get("peft_type"))
    if kind.endswith("TUNING"):
        raise ServingError(
            f"the adapter {label} is of the kind {kind}, which this runtime does not serve",
            hint="use LoRA, or merge it into its base",
        )
    if config.get("bias") not in (None, "none"):
        raise ServingError(
            f"the adapter {label} changes biases of its base, which others may be served from",
            hint="train with bias: none, or merge it into its base",
        )
